import { BackupError, type OperationOptions } from '@backup-planet/core'
import type { DumpTable, ProgramContext } from '../dump-layout.ts'
import type { MysqlConnection } from '../mysql-connection.ts'
import { quoteIdentifier, quoteTable, quoteText } from '../mysql-quoting.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { type CreateKind, checkCreateStatement } from './create-statement-guard.ts'
import { type DeferredTable, deferKeys, splitCreateTable, withoutDirectories } from './create-table-text.ts'
import type { ItemFailures } from './item-failures.ts'
import { runProgram } from './program-statement.ts'
import type { ItemContents } from './restore-contents.ts'
import type { RestoreJournal } from './restore-journal.ts'
import type { MysqlRestoreOptions } from './restore-options.ts'
import { dialectOf } from './sql-tokenizer.ts'
import { countQualifiers, mapCollations, renameAllQualifiers, renameTriggerTable, rewriteCreate } from './statement-rewrite.ts'

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

interface PreparedProgram {
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
  readonly views: readonly (PreparedProgram & { readonly columns: readonly string[] })[]
  readonly triggers: readonly PreparedProgram[]
  readonly events: readonly PreparedProgram[]
}

/** Checks every statement of an item. Throws `CORRUPTED` or `UNSUPPORTED`; changes nothing. */
export function prepareSchema(contents: ItemContents, context: SchemaRestoreContext): PreparedSchema {
  const { item, schema } = contents
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
    tables: contents.tables.map((table) => {
      const checked = checkCreateStatement({ kind: 'table', name: table.name, schema: item }, table.create)
      const { text, removed } = withoutDirectories(tableText(rewriteCreate(table.create, checked, { ...rewrite, to: item })))
      if (removed > 0) warnOfDirectory(table, contents, context)
      const keys = context.restore.deferIndexes && /^innodb$/i.test(table.engine)
      return { table, text: deferKeys(splitCreateTable(text), { keys }) }
    }),
    routines: contents.routines.map((routine) => program(routine.kind, routine.name, routine.create, routine.context)),
    views: contents.views.map((view) => ({ ...program('view', view.name, view.create, view.context), columns: view.columns })),
    triggers: contents.triggers.map((trigger) => program('trigger', trigger.name, trigger.create, trigger.context)),
    events: contents.events.map((event) => program('event', event.name, event.create, event.context)),
  }
  checkCollations(contents, context)
  return prepared
}

/** Drops what the plan says is dropped, and creates the schema, its sequences and its tables without what rows do not need. */
export async function createSchema(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<void> {
  const { connection, journal, restore } = context
  const { item, to } = prepared.contents
  await journal.once(connection, [item, 'schema'], async () => {
    if (restore.tables !== undefined) {
      for (const name of context.overwrites.get(item) ?? []) await dropTable(connection, to, name)
    } else if ((context.overwrites.get(item) ?? []).length > 0) await connection.run(`DROP DATABASE IF EXISTS ${quoteIdentifier(to)}`)
    const [existing] = await connection.rows(`SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${quoteText(to)}`)
    if (existing === undefined) await connection.run(prepared.createSchema, `creating schema ${to}`)
    else if (restore.tables === undefined) await connection.run(schemaDefaults(prepared, context), `setting the defaults of schema ${to}`)
  })
  await use(prepared, context)
  for (const sequence of prepared.sequences) {
    await journal.once(connection, [item, 'sequence', sequence.name], async () => {
      const name = quoteIdentifier(sequence.name)
      await connection.run(`DROP SEQUENCE IF EXISTS ${name}`)
      await connection.run(sequence.sql, `creating sequence ${to}.${sequence.name}`)
      await connection.run(`DO SETVAL(${name}, ${sequence.next}, 0)`, `setting sequence ${to}.${sequence.name}`)
    })
  }
  for (const { table, text } of prepared.tables) {
    await journal.once(connection, [item, 'table', table.name], async () => {
      await connection.run(`DROP TABLE IF EXISTS ${quoteIdentifier(table.name)}`)
      await connection.run(text.create, `creating table ${to}.${table.name}`)
    })
  }
}

async function dropTable(connection: MysqlConnection, schema: string, name: string): Promise<void> {
  const [found] = await connection.rows(
    `SELECT TABLE_TYPE AS type FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${quoteText(schema)} AND TABLE_NAME = ${quoteText(name)}`,
  )
  const type = found?.text('type')
  const word = type === 'VIEW' ? 'VIEW' : type === 'SEQUENCE' ? 'SEQUENCE' : 'TABLE'
  await connection.run(`DROP ${word} IF EXISTS ${quoteTable(schema, name)}`, `dropping ${schema}.${name}`)
}

/** Secondary keys of every table; each statement names what is still missing, so that a cut run goes on. */
export async function addKeys(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<void> {
  const { connection, journal } = context
  const { item, to } = prepared.contents
  for (const { table, text } of prepared.tables) {
    if (text.keys.length === 0) continue
    await journal.once(connection, [item, 'keys', table.name], async () => {
      const rows = await connection.rows(
        `SELECT DISTINCT INDEX_NAME AS name FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ${quoteText(to)} AND TABLE_NAME = ${quoteText(table.name)}`,
      )
      const there = new Set(rows.map((row) => row.text('name').toLowerCase()))
      for (const group of text.keys) {
        const missing = group.filter((key) => !there.has(key.name?.toLowerCase() ?? ''))
        await alter(
          connection,
          to,
          table.name,
          missing.map((key) => key.text),
        )
      }
    })
  }
}

/** Foreign keys, after the tables of all items are there. */
export async function addForeignKeys(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<void> {
  const { connection, journal } = context
  const { item, to } = prepared.contents
  for (const { table, text } of prepared.tables) {
    if (text.foreignKeys.length === 0) continue
    await journal.once(connection, [item, 'foreign keys', table.name], async () => {
      const rows = await connection.rows(
        `SELECT CONSTRAINT_NAME AS name FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = ${quoteText(to)} AND TABLE_NAME = ${quoteText(table.name)} AND CONSTRAINT_TYPE = 'FOREIGN KEY'`,
      )
      const there = new Set(rows.map((row) => row.text('name').toLowerCase()))
      const missing = text.foreignKeys.filter((key) => !there.has(key.name?.toLowerCase() ?? ''))
      await alter(
        connection,
        to,
        table.name,
        missing.map((key) => key.text),
      )
    })
  }
}

async function alter(connection: MysqlConnection, schema: string, table: string, definitions: readonly string[]): Promise<void> {
  if (definitions.length === 0) return
  await connection.run(
    `ALTER TABLE ${quoteTable(schema, table)} ${definitions.map((text) => `ADD ${text}`).join(', ')}`,
    `adding keys to ${schema}.${table}`,
  )
}

export async function createRoutines(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<void> {
  await phase(prepared, context, 'routines', prepared.routines)
}

/** Every view as a table of ones first, so that views and routines may name each other in any order. */
export async function createViewPlaceholders(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<void> {
  const { connection, journal } = context
  const { item, to } = prepared.contents
  await journal.once(connection, [item, 'view placeholders'], async () => {
    for (const view of prepared.views) {
      const columns = view.columns.map((name) => `1 AS ${quoteIdentifier(name)}`).join(', ')
      await connection.run(
        `CREATE OR REPLACE VIEW ${quoteTable(to, view.name)} AS SELECT ${columns || '1'}`,
        `creating view ${to}.${view.name}`,
      )
    }
  })
}

export async function createViews(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<void> {
  await phase(prepared, context, 'views', prepared.views)
}

export async function createTriggers(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<void> {
  await phase(prepared, context, 'triggers', prepared.triggers)
}

/** The very last of an item: from now on events run. */
export async function createEvents(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<void> {
  await phase(prepared, context, 'events', prepared.events)
}

async function phase(
  prepared: PreparedSchema,
  context: SchemaRestoreContext,
  name: string,
  programs: readonly PreparedProgram[],
): Promise<void> {
  const { connection, journal, server } = context
  const { item, to, schema } = prepared.contents
  if (programs.length === 0) return
  await journal.once(connection, [item, name], async () => {
    await use(prepared, context)
    const own = context.restore.collationMap[schema?.collation ?? ''] ?? schema?.collation ?? ''
    let current = own
    try {
      for (const program of programs) {
        const during = `creating ${program.kind} ${to}.${program.name}`
        const drop = `DROP ${program.kind.toUpperCase()} IF EXISTS ${quoteTable(to, program.name)}`
        // The server keeps the default collation of the schema at that moment with the program.
        if (program.kind !== 'view') current = await setCollation(connection, to, current, program.context.databaseCollation)
        await runProgram(connection, server, { statements: [drop, program.sql], context: program.context, during }).catch(
          (error: unknown) => {
            if (program.kind !== 'view') throw error
            brokenView(program, prepared, context, error)
          },
        )
      }
    } finally {
      await setCollation(connection, to, current, own)
    }
  })
}

async function setCollation(connection: MysqlConnection, schema: string, current: string, wanted: string): Promise<string> {
  if (current === wanted || wanted === '') return current
  await connection.run(`ALTER DATABASE ${quoteIdentifier(schema)} COLLATE ${wanted}`, `setting the collation of schema ${schema}`)
  return wanted
}

/** A view over what is gone is broken in the source too; the rest of the schema must not suffer for it. */
function brokenView(view: PreparedProgram, prepared: PreparedSchema, context: SchemaRestoreContext, error: unknown): void {
  // Only what the view itself names: missing tables, columns, functions, rights of the definer.
  if (!BackupError.is(error) || !(error.code === 'NOT_FOUND' || error.code === 'APPLICATION')) throw error
  context.failures.problem({
    severity: 'error',
    code: 'APPLICATION',
    item: prepared.contents.item,
    message: `view ${prepared.contents.to}.${view.name} was not created: ${error.message}`,
    hint: `It was probably broken in the source as well. Its text is in ${view.name}-schema-view.sql of the backup; create it once what it names is there.`,
  })
}

async function use(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<void> {
  await context.connection.run(`USE ${quoteIdentifier(prepared.contents.to)}`)
}

function renamedSchema(create: string, item: string, to: string): string {
  const checked = checkCreateStatement({ kind: 'schema', name: item, schema: '' }, create)
  const name = checked.nameTokens[0]
  if (name === undefined) throw new TypeError('a checked statement has a name')
  return create.slice(0, name.begin) + quoteIdentifier(to) + create.slice(name.end)
}

function schemaDefaults(prepared: PreparedSchema, context: SchemaRestoreContext): string {
  const { schema, to } = prepared.contents
  const collation = schema?.collation ?? ''
  return `ALTER DATABASE ${quoteIdentifier(to)} CHARACTER SET ${schema?.characterSet} COLLATE ${context.restore.collationMap[collation] ?? collation}`
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
  const named = [
    contents.schema?.collation,
    ...contents.tables.flatMap((table) => table.columns.map((column) => column.collation)),
    ...[...contents.views, ...contents.routines, ...contents.triggers, ...contents.events].map(
      (program) => program.context.collationConnection,
    ),
  ]
  const unknown = new Set(
    named.flatMap((name) => {
      const target = name === undefined || name === '' ? undefined : (map[name] ?? name)
      return target === undefined || context.collations.has(target.toLowerCase()) ? [] : [name ?? '']
    }),
  )
  if (unknown.size === 0) return
  throw new BackupError(`the target does not know ${[...unknown].sort().join(', ')}, which ${contents.item} uses`, {
    code: 'UNSUPPORTED',
    hint: `Say with the option collationMap which collation of the target to use instead, such as {"${[...unknown][0]}": "utf8mb4_unicode_ci"}.`,
  })
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
