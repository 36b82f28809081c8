import { BackupError, type OperationOptions, type RestoredFiles, type RestorePlanItem } from '@backup-planet/core'
import {
  accountsItem,
  type DumpAccount,
  type DumpChunk,
  type DumpEvent,
  type DumpRoutine,
  type DumpSchema,
  type DumpSequence,
  type DumpTable,
  type DumpTableTotal,
  type DumpTrigger,
  type DumpView,
  layoutFiles,
} from '../dump-layout.ts'
import { readDumpChunks, readDumpObjects } from './dump-lines.ts'
import type { ItemFailures } from './item-failures.ts'
import { isTableSelected, type MysqlRestoreOptions } from './restore-options.ts'
import { unknownTables } from './table-selection.ts'

/** Everything of one item but its rows. */
export interface ItemContents {
  readonly item: string
  readonly to: string
  readonly backup: string
  schema: DumpSchema | undefined
  readonly sequences: DumpSequence[]
  readonly tables: DumpTable[]
  /** Names of all tables and sequences of the item, those that are not asked for too. */
  readonly names: string[]
  readonly views: DumpView[]
  readonly routines: DumpRoutine[]
  readonly triggers: DumpTrigger[]
  readonly events: DumpEvent[]
  readonly accounts: DumpAccount[]
  /** By file name. */
  readonly chunks: Map<string, DumpChunk>
  readonly totals: Map<string, DumpTableTotal>
  /** GTID position of the capture; empty where the source kept none. */
  gtid: string
  /** Of the server that was backed up, as it says it. */
  sourceVersion: string
}

/**
 * Reads what the items of a plan consist of, before anything is changed. An item whose description is damaged or incomplete fails and
 * is left out; nothing of it was touched then.
 */
export async function readContents(
  items: readonly RestorePlanItem[],
  files: RestoredFiles,
  failures: ItemFailures,
  options: OperationOptions & { readonly restore: MysqlRestoreOptions },
): Promise<ItemContents[]> {
  const contents = new Map(items.map((item) => [`${item.backup}\0${item.item}`, emptyContents(item)]))
  const described = new Set<string>()
  const select = (file: { readonly backup: string; readonly item: string; readonly name: string }) =>
    contents.has(`${file.backup}\0${file.item}`) &&
    (file.name === layoutFiles.objects || file.name === layoutFiles.chunks || file.name === layoutFiles.metadata)
  for await (const file of files.stream(select, options)) {
    const one = contents.get(`${file.backup}\0${file.item}`)
    try {
      if (one === undefined || failures.has(one.item)) continue
      const where = `${file.item}/${file.name}`
      described.add(`${one.item}\0${file.name}`)
      if (file.name === layoutFiles.objects) await readObjects(one, file.open(), where, options.restore)
      else if (file.name === layoutFiles.metadata) Object.assign(one, await readMetadata(file.open()))
      else await readChunks(one, file.open(), where, options.restore)
    } catch (error) {
      failures.fail(file.item, error)
    } finally {
      await file.release()
    }
  }
  const inventory = new Set(files.inventory.map((file) => `${file.backup}\0${file.item}\0${file.name}`))
  for (const one of contents.values()) {
    if (failures.has(one.item)) continue
    try {
      checkComplete(one, described, inventory)
    } catch (error) {
      failures.fail(one.item, error)
    }
  }
  failUnknownTables([...contents.values()], failures, options.restore)
  return [...contents.values()].filter((one) => !failures.has(one.item))
}

/** What the plan could not know: a table that was asked for and is not there must not look as if it had been restored. */
function failUnknownTables(contents: readonly ItemContents[], failures: ItemFailures, restore: MysqlRestoreOptions): void {
  const known = new Map(contents.map((one) => [one.item, failures.has(one.item) ? undefined : one.names]))
  for (const { items, message, hint } of unknownTables(restore, known)) {
    for (const item of items) failures.fail(item, new BackupError(message, { code: 'NOT_FOUND', hint }))
  }
}

function emptyContents(item: RestorePlanItem): ItemContents {
  return {
    item: item.item,
    to: item.to,
    backup: item.backup,
    schema: undefined,
    sequences: [],
    tables: [],
    names: [],
    views: [],
    routines: [],
    triggers: [],
    events: [],
    accounts: [],
    chunks: new Map(),
    totals: new Map(),
    gtid: '',
    sourceVersion: '',
  }
}

async function readObjects(one: ItemContents, content: AsyncIterable<Uint8Array>, where: string, restore: MysqlRestoreOptions) {
  const whole = restore.tables === undefined
  const names = new Set<string>()
  for await (const object of readDumpObjects(content, where)) {
    const identity = `${object.type === 'view' ? 'table' : object.type === 'routine' ? object.kind : object.type}\0${
      object.type === 'account' ? `${object.user}\0${object.host}` : object.name
    }`
    if (names.has(identity)) throw corrupted(`${where} has ${identity.replaceAll('\0', ' ')} twice`)
    names.add(identity)
    switch (object.type) {
      case 'schema':
        if (object.name !== one.item) throw corrupted(`${where} describes schema ${object.name}`)
        one.schema = object
        break
      case 'table':
        one.names.push(object.name)
        if (isTableSelected(restore, one.item, object.name)) one.tables.push(object)
        break
      case 'trigger':
        if (isTableSelected(restore, one.item, object.table)) one.triggers.push(object)
        break
      case 'sequence':
        one.names.push(object.name)
        if (whole || isTableSelected(restore, one.item, object.name)) one.sequences.push(object)
        break
      case 'view':
        if (whole) one.views.push(object)
        break
      case 'routine':
        if (whole) one.routines.push(object)
        break
      case 'event':
        if (whole) one.events.push(object)
        break
      case 'account':
        one.accounts.push(object)
    }
  }
}

async function readChunks(one: ItemContents, content: AsyncIterable<Uint8Array>, where: string, restore: MysqlRestoreOptions) {
  for await (const line of readDumpChunks(content, where)) {
    if (!isTableSelected(restore, one.item, line.table)) continue
    if (line.type === 'chunk') {
      if (one.chunks.has(line.file)) throw corrupted(`${where} has file ${line.file} twice`)
      one.chunks.set(line.file, line)
    } else one.totals.set(line.table, line)
  }
}

/** `metadata` as mydumper writes it; the first position is that of the server itself. */
async function readMetadata(content: AsyncIterable<Uint8Array>): Promise<Pick<ItemContents, 'gtid' | 'sourceVersion'>> {
  let text = ''
  for await (const part of content) {
    text += Buffer.from(part).toString('latin1')
    if (text.length > 1024 * 1024) throw corrupted('metadata is longer than a mebibyte')
  }
  return { gtid: /^\s*GTID:\s*(\S*)/m.exec(text)?.[1] ?? '', sourceVersion: /^# (\S+)/.exec(text)?.[1] ?? '' }
}

function checkComplete(one: ItemContents, described: ReadonlySet<string>, inventory: ReadonlySet<string>): void {
  if (!described.has(`${one.item}\0${layoutFiles.objects}`)) throw corrupted(`${one.item} has no ${layoutFiles.objects}`)
  if (one.item === accountsItem) {
    if (one.schema !== undefined || one.tables.length > 0) throw corrupted(`${one.item} describes a schema, and accounts were expected`)
    return
  }
  if (one.accounts.length > 0) throw corrupted(`${one.item} describes accounts, and a schema was expected`)
  if (one.schema === undefined) throw corrupted(`${one.item} does not describe its schema`)
  if (!described.has(`${one.item}\0${layoutFiles.chunks}`)) throw corrupted(`${one.item} has no ${layoutFiles.chunks}`)
  const tables = new Set(one.tables.map((table) => table.name))
  const rows = new Map<string, number>()
  for (const chunk of one.chunks.values()) {
    if (!tables.has(chunk.table)) throw corrupted(`${one.item} has rows of ${chunk.table}, which it does not describe`)
    if (!inventory.has(`${one.backup}\0${one.item}\0${chunk.file}`)) throw corrupted(`${one.item} lacks ${chunk.file}`)
    rows.set(chunk.table, (rows.get(chunk.table) ?? 0) + chunk.rows)
  }
  for (const table of one.tables) {
    if (table.dataLeftOut !== undefined) continue
    const total = one.totals.get(table.name)
    if (total === undefined) throw corrupted(`${one.item} does not say how many rows ${table.name} has`)
    const found = rows.get(table.name) ?? 0
    if (total.rows !== found) throw corrupted(`${one.item} says that ${table.name} has ${total.rows} rows, and its files hold ${found}`)
  }
  for (const trigger of one.triggers) {
    if (!tables.has(trigger.table))
      throw corrupted(`${one.item} has trigger ${trigger.name} of ${trigger.table}, which it does not describe`)
  }
}

function corrupted(message: string): BackupError {
  return new BackupError(message, { code: 'CORRUPTED', hint: 'Nothing of this item was restored. Restore it from another backup.' })
}
