import { BackupError, type ItemFailure, type Problem, throwIfAborted } from '@backup-planet/core'
import type { DumpAccount } from '../dump-layout.ts'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { mysqlError } from '../mysql-errors.ts'
import { hiddenFailure, readOwnRights } from '../mysql-rights.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { readAccounts } from './account-inventory.ts'
import { hiddenObjects, readProgramCounts } from './hidden-objects.ts'
import { readLeftOutObjects } from './left-out-objects.ts'
import { readSchemaInventory, type SchemaInventory } from './schema-inventory.ts'
import { innodbNumbers, numberChange, structureChanges } from './structure-changes.ts'

export type InventoriedSchema =
  | {
      readonly name: string
      readonly failure: ItemFailure
      /** It is the account that lacks rights, which the check of rights says already. */
      readonly lacksRights?: true
      /** What the account sees all the same, for a check. */
      readonly visible?: SchemaInventory
    }
  | {
      readonly name: string
      readonly failure?: undefined
      readonly inventory: SchemaInventory
      readonly innodbNumbers: ReadonlyMap<string, string>
    }

/** Every selected schema and the accounts; what could not be read is a failure of its item. */
export interface ServerInventory {
  readonly schemas: readonly InventoriedSchema[]
  /** Left out when the settings or the request leave it out. */
  readonly accounts: { readonly accounts: readonly DumpAccount[] } | { readonly failure: ItemFailure } | undefined
  /** What of the server is in no item, as warnings. */
  readonly leftOut: readonly Problem[]
}

export interface ServerInventoryOptions {
  readonly settings: ResolvedMysqlAgentSettings
  readonly server: ServerFacts
  /** Schemas to read, from `selectSchemas`. */
  readonly schemas: readonly string[]
  readonly accounts: boolean
  /** Warnings about what is not among `schemas`. */
  readonly leftOut: readonly Problem[]
  readonly signal?: AbortSignal | undefined
}

export async function readServerInventory(session: MysqlSession, options: ServerInventoryOptions): Promise<ServerInventory> {
  const { settings, server, signal } = options
  const engines = await transactionalEngines(session)
  const rights = await readOwnRights(session)
  const counts = await readProgramCounts(session)
  const schemas: InventoriedSchema[] = []
  for (const name of options.schemas) {
    throwIfAborted(signal, 'reading the definitions')
    const hidden = hiddenFailure(rights, settings, server, name)
    if (hidden !== undefined) {
      const visible = await visibleInventory(session, options, name, engines)
      schemas.push({ name, failure: hidden, lacksRights: true, ...(visible === undefined ? {} : { visible }) })
      continue
    }
    try {
      const inventory = await readSchemaInventory(session, server, settings, name, engines)
      const unseen = await hiddenObjects(session, inventory, counts)
      if (unseen !== undefined) throw unseen
      schemas.push({ name, inventory, innodbNumbers: await innodbNumbers(session, server, name) })
    } catch (error) {
      schemas.push({ name, failure: itemFailure(error, `reading the definitions of schema ${name}`) })
    }
  }
  return {
    schemas,
    accounts: options.accounts ? await accountsOf(session, options) : undefined,
    // What belongs to the whole server goes with its accounts.
    leftOut: [...options.leftOut, ...(options.accounts ? await readLeftOutObjects(session, server) : [])],
  }
}

async function visibleInventory(
  session: MysqlSession,
  { settings, server }: ServerInventoryOptions,
  schema: string,
  engines: ReadonlySet<string>,
): Promise<SchemaInventory | undefined> {
  try {
    return await readSchemaInventory(session, server, settings, schema, engines)
  } catch (error) {
    // Thrown on where it concerns more than this schema.
    itemFailure(error, `reading the definitions of schema ${schema}`)
    return undefined
  }
}

async function accountsOf(session: MysqlSession, options: ServerInventoryOptions): Promise<ServerInventory['accounts']> {
  try {
    return { accounts: await readAccounts(session, options.server, options.settings.systemUsers) }
  } catch (error) {
    return { failure: itemFailure(error, 'reading the accounts') }
  }
}

/** Engines that take part in a snapshot. */
export async function transactionalEngines(session: MysqlSession): Promise<ReadonlySet<string>> {
  const rows = await session.rows("SELECT engine FROM information_schema.engines WHERE transactions = 'YES'", 'listing the engines')
  return new Set(rows.map((row) => row.text('engine')))
}

/** The failure of an item; a lost connection or an abort concerns the whole run and is thrown on. */
export function itemFailure(error: unknown, during: string): ItemFailure {
  const failure = mysqlError(error, during)
  if (!BackupError.is(failure) || ['ABORTED', 'UNREACHABLE'].includes(failure.code)) throw failure
  return { code: failure.code, message: failure.message, ...(failure.hint === undefined ? {} : { hint: failure.hint }) }
}

/** What changed between two inventories, as phrases; empty when they are the same. */
export function inventoryChanges(before: ServerInventory, after: ServerInventory): readonly string[] {
  const fresh = new Map(after.schemas.map((schema) => [schema.name, schema]))
  const known = new Set(before.schemas.map(({ name }) => name))
  const created = after.schemas.filter(({ name }) => !known.has(name)).map(({ name }) => `schema ${name} was created`)
  const changed = before.schemas.flatMap((schema) => {
    const now = fresh.get(schema.name)
    if (now === undefined) return [`schema ${schema.name} was dropped`]
    if (schema.failure !== undefined || now.failure !== undefined) {
      return (schema.failure === undefined) === (now.failure === undefined) ? [] : [`schema ${schema.name} was changed`]
    }
    const changes = structureChanges(schema.inventory, now.inventory)
    const replaced = schema.inventory.tables.map(({ table }) => numberChange(table.name, schema.innodbNumbers, now.innodbNumbers))
    return [...changes, ...replaced.filter((change) => change !== undefined)].map((change) => `${change} in schema ${schema.name}`)
  })
  return [...created, ...changed]
}
