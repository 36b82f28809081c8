import { BackupError, type OperationOptions } from '@backup-planet/core'
import { type DumpTable, layoutFiles, type ProgramContext } from '../dump-layout.ts'
import { itemCollations } from '../item-collations.ts'
import type { MysqlConnection } from '../mysql-connection.ts'
import { quoteIdentifier } from '../mysql-quoting.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { type CreateKind, checkCreateStatement } from './create-statement-guard.ts'
import { type DeferredTable, deferKeys, splitCreateTable, withoutDirectories } from './create-table-text.ts'
import { equalMembers } from './enum-members.ts'
import { disabledEvent } from './event-statement.ts'
import { externalReach } from './external-table.ts'
import type { ItemFailures } from './item-failures.ts'
import { unknownCollations } from './restore-compatibility.ts'
import type { ItemContents } from './restore-contents.ts'
import type { RestoreJournal } from './restore-journal.ts'
import type { MysqlRestoreOptions } from './restore-options.ts'
import { dialectOf } from './sql-tokenizer.ts'
import { countQualifiers, mapCollations, renameAllQualifiers, renameTriggerTable, rewriteCreate } from './statement-rewrite.ts'
import { viewsInOrder } from './view-order.ts'

export interface SchemaRestoreContext extends OperationOptions {
  readonly connection: MysqlConnection
  readonly server: ServerFacts
  readonly journal: RestoreJournal
  readonly failures: ItemFailures
  readonly restore: MysqlRestoreOptions
  /** Schema in the backup → schema on the target, for those that differ. */
  readonly rename: ReadonlyMap<string, string>
  /** Lower-case names of the collations of the target. */
  readonly collations: ReadonlySet<string>
  /** What of each item's target is dropped first: the whole schema, or these tables. */
  readonly overwrites: ReadonlyMap<string, readonly string[]>
}

export interface PreparedProgram {
  readonly kind: CreateKind
  readonly name: string
  readonly sql: string
  readonly context: ProgramContext
}

/** Statements of one item, checked and rewritten before anything of the item is changed. */
export interface PreparedSchema {
  readonly contents: ItemContents
  readonly createSchema: string
  readonly sequences: readonly { readonly name: string; readonly sql: string; readonly next: string }[]
  readonly tables: readonly { readonly table: DumpTable; readonly text: DeferredTable }[]
  readonly routines: readonly PreparedProgram[]
  /** `broken`: it did not work in the source either. */
  readonly views: readonly (PreparedProgram & { readonly columns: readonly string[]; readonly broken: boolean })[]
  readonly triggers: readonly PreparedProgram[]
  /** Created disabled; those that were enabled have what enables them. */
  readonly events: readonly (PreparedProgram & { readonly enable?: string })[]
}

/** Checks every statement of an item. Throws `CORRUPTED` or `UNSUPPORTED`; changes nothing. */
export function prepareSchema(contents: ItemContents, context: SchemaRestoreContext): PreparedSchema {
  const { item, schema } = contents
  const external = externalTables(contents, context)
  if (schema === undefined) throw new TypeError(`item ${item} has no schema`)
  const rewrite = { from: item, to: contents.to, ...context.restore }
  const collated = (text: string) => mapCollations(text, context.restore.collationMap)
  const tableText = (text: string) => renameAllQualifiers(collated(text), context.rename)
  const program = (kind: CreateKind, name: string, create: string, programContext: ProgramContext): PreparedProgram => {
    const checked = checkCreateStatement({ kind, name, schema: item, sqlMode: programContext.sqlMode }, create)
    // All schemas of a view are renamed at once, that of its own name too.
    let sql = rewriteCreate(create, checked, kind === 'view' ? { ...rewrite, to: item } : rewrite)
    const dialect = dialectOf(programContext.sqlMode)
    if (kind === 'view') sql = renameAllQualifiers(collated(sql), context.rename)
    else if (context.rename.has(item)) warnOfOldName(kind, name, sql, contents, context)
    if (kind === 'trigger') sql = renameTriggerTable(sql, item, contents.to, dialect)
    return { kind, name, sql, context: mapContext(programContext, context.restore.collationMap) }
  }
  const prepared: PreparedSchema = {
    contents,
    createSchema: collated(renamedSchema(schema.create, item, contents.to)),
    sequences: contents.sequences.map((sequence) => {
      const checked = checkCreateStatement({ kind: 'sequence', name: sequence.name, schema: item }, sequence.create)
      return { name: sequence.name, next: sequence.next, sql: rewriteCreate(sequence.create, checked, rewrite) }
    }),
    tables: contents.tables.flatMap((table) => {
      const checked = checkCreateStatement({ kind: 'table', name: table.name, schema: item }, table.create)
      if (external.has(table.name)) return []
      const { text, removed } = withoutDirectories(tableText(rewriteCreate(table.create, checked, { ...rewrite, to: item })))
      if (removed > 0) warnOfDirectory(table, contents, context)
      warnOfEqualMembers(table, contents, context)
      const keys = context.restore.deferIndexes && /^innodb$/i.test(table.engine)
      return [{ table, text: deferKeys(splitCreateTable(text), { keys }) }]
    }),
    routines: contents.routines.map((routine) => program(routine.kind, routine.name, routine.create, routine.context)),
    views: viewsInOrder(
      contents.views.map((view) => ({
        ...program('view', view.name, view.create, view.context),
        columns: view.columns,
        broken: view.broken !== undefined,
      })),
    ),
    triggers: contents.triggers.flatMap((trigger) => {
      const created = program('trigger', trigger.name, trigger.create, trigger.context)
      return external.has(trigger.table) ? [] : [created]
    }),
    events: contents.events.map((event) => {
      const created = program('event', event.name, event.create, event.context)
      const { create, enable } = disabledEvent(created.sql, contents.to, event.name, dialectOf(event.context.sqlMode))
      return { ...created, sql: create, ...(enable === undefined ? {} : { enable }) }
    }),
  }
  checkCollations(contents, context)
  return prepared
}

/** Names of the tables that are left out since their definitions reach out of the target; each is told. */
function externalTables(contents: ItemContents, context: SchemaRestoreContext): ReadonlySet<string> {
  const names = new Set<string>()
  if (context.restore.externalTables === 'allow') return names
  for (const table of contents.tables) {
    const reach = externalReach(table.create, contents.item)
    if (reach === undefined) continue
    names.add(table.name)
    const triggers = contents.triggers.filter((trigger) => trigger.table === table.name).map((trigger) => trigger.name)
    context.failures.problem({
      severity: 'error',
      code: 'UNSUPPORTED',
      item: contents.item,
      message: `table ${contents.to}.${table.name}${triggers.length === 0 ? '' : ` with its triggers ${triggers.join(', ')}`} was left out: ${reach} reaches files, hosts or schemas beyond ${contents.to}`,
      hint: `Read its definition in ${layoutFiles.objects} of the backup. If it is right for this target, create it by hand, or restore with the option externalTables set to allow.`,
    })
  }
  return names
}

function renamedSchema(create: string, item: string, to: string): string {
  const checked = checkCreateStatement({ kind: 'schema', name: item, schema: '' }, create)
  const name = checked.nameTokens[0]
  if (name === undefined) throw new TypeError('a checked statement has a name')
  return create.slice(0, name.begin) + quoteIdentifier(to) + create.slice(name.end)
}

function mapContext(program: ProgramContext, map: Readonly<Record<string, string>>): ProgramContext {
  return {
    ...program,
    collationConnection: map[program.collationConnection] ?? program.collationConnection,
    databaseCollation: map[program.databaseCollation] ?? program.databaseCollation,
  }
}

function checkCollations(contents: ItemContents, context: SchemaRestoreContext): void {
  const map = context.restore.collationMap
  const unknown = itemCollations(contents).filter((name) => !context.collations.has((map[name] ?? name).toLowerCase()))
  if (unknown.length === 0) return
  const { message, hint } = unknownCollations(unknown, contents.item)
  throw new BackupError(message, { code: 'UNSUPPORTED', hint })
}

function warnOfOldName(kind: CreateKind, name: string, sql: string, contents: ItemContents, context: SchemaRestoreContext): void {
  const programs = [...contents.routines, ...contents.triggers, ...contents.events]
  const sqlMode = programs.find((program) => program.name === name)?.context.sqlMode ?? ''
  const count = countQualifiers(sql, contents.item, dialectOf(sqlMode))
  if (count === 0) return
  context.failures.problem({
    severity: 'warning',
    code: 'INVALID_INPUT',
    item: contents.item,
    message: `${kind} ${contents.to}.${name} names schema ${contents.item} ${count} times, which is now ${contents.to}`,
    hint: `Read it with SHOW CREATE ${kind.toUpperCase()} and change it by hand; texts inside of programs are restored as they are.`,
  })
}

function warnOfDirectory(table: DumpTable, contents: ItemContents, context: SchemaRestoreContext): void {
  context.failures.problem({
    severity: 'warning',
    code: 'INVALID_INPUT',
    item: contents.item,
    message: `table ${contents.to}.${table.name} had a DATA DIRECTORY or INDEX DIRECTORY, which was left out`,
    hint: 'Its files are in the data directory of the target now; move them by hand if they must be elsewhere.',
  })
}

function warnOfEqualMembers(table: DumpTable, contents: ItemContents, context: SchemaRestoreContext): void {
  for (const column of table.columns) {
    const members = equalMembers(column)
    if (members.length === 0) continue
    context.failures.problem({
      severity: 'warning',
      code: 'UNSUPPORTED',
      item: contents.item,
      message: `column ${column.name} of table ${contents.to}.${table.name} has members that its collation takes for the same: ${members.map((member) => `'${member}'`).join(', ')}`,
      hint: 'Rows with one of them come back with the first. Rename the others in the source with ALTER TABLE, and back up again.',
    })
  }
}
