import { createHash } from 'node:crypto'
import { BackupError } from '@backup-planet/core'
import { layoutFiles } from '../dump-layout.ts'
import type { MysqlConnection } from '../mysql-connection.ts'
import { quoteIdentifier, quoteTable, quoteText } from '../mysql-quoting.ts'
import { checkColumnCollations } from './column-collations.ts'
import { runProgram } from './program-statement.ts'
import { abandonHint } from './restore-journal.ts'
import { isSchema } from './restore-target.ts'
import type { PreparedProgram, PreparedSchema, SchemaRestoreContext } from './schema-preparation.ts'

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
    // Its definition may leave the collation out, and have another default here.
    if (existing === undefined || restore.tables === undefined)
      await connection.run(schemaDefaults(prepared, context), `setting the defaults of schema ${to}`)
    await keepCollation(prepared, context)
  })
  await use(prepared, context)
  for (const sequence of prepared.sequences) {
    await journal.once(connection, [item, 'sequence', sequence.name], async () => {
      const name = quoteIdentifier(sequence.name)
      await connection.run(`DROP SEQUENCE IF EXISTS ${name}`)
      await connection.run(sequence.sql, `creating sequence ${to}.${sequence.name}`)
      // SETVAL would not go behind the start, where a sequence stands that was restarted or has come around.
      await connection.run(`ALTER SEQUENCE ${name} RESTART ${sequence.next}`, `setting sequence ${to}.${sequence.name}`)
    })
  }
  for (const { table, text } of prepared.tables) {
    await journal.once(connection, [item, 'table', table.name], async () => {
      await dropEmptyTable(connection, to, table.name)
      await connection.run(text.create, `creating table ${to}.${table.name}`)
    })
  }
  const tables = prepared.tables.map(({ table }) => table)
  await checkColumnCollations(connection, context.server, to, tables, restore.collationMap)
}

async function dropTable(connection: MysqlConnection, schema: string, name: string): Promise<void> {
  const [found] = await connection.rows(
    `SELECT TABLE_TYPE AS type FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${quoteText(schema)} AND TABLE_NAME = ${quoteText(name)}`,
  )
  const type = found?.text('type')
  const word = type === 'VIEW' ? 'VIEW' : type === 'SEQUENCE' ? 'SEQUENCE' : 'TABLE'
  await connection.run(`DROP ${word} IF EXISTS ${quoteTable(schema, name)}`, `dropping ${schema}.${name}`)
}

/** A table of ours that the journal does not know of has no rows yet; one that has is somebody else's, made since the plan. */
async function dropEmptyTable(connection: MysqlConnection, schema: string, name: string): Promise<void> {
  const [found] = await connection.rows(
    `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${quoteText(schema)} AND TABLE_NAME = ${quoteText(name)}`,
  )
  if (found === undefined) return
  const rows = await connection.rows(`SELECT 1 FROM ${quoteTable(schema, name)} LIMIT 1`, `looking into table ${schema}.${name}`)
  if (rows.length > 0) {
    throw new BackupError(`table ${schema}.${name} was made by somebody else since the restore was planned, and holds rows`, {
      code: 'CONFLICT',
      hint: 'Save or drop it, then execute the same plan again.',
    })
  }
  await connection.run(`DROP TABLE ${quoteTable(schema, name)}`, `dropping empty table ${schema}.${name}`)
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

/** None of them runs before {@link enableEvents}. */
export async function createEvents(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<void> {
  await phase(prepared, context, 'events', prepared.events)
}

/** The very last of all: from now on events run, and rows may change. */
export async function enableEvents(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<void> {
  const { connection, journal, server, restore } = context
  const { item, to } = prepared.contents
  if (!restore.enableEvents || !prepared.events.some((event) => event.enable !== undefined)) return
  await journal.once(connection, [item, eventsMayRun], async () => undefined)
  const rows = await connection.rows(
    `SELECT EVENT_NAME AS name FROM information_schema.EVENTS WHERE ${isSchema(server, 'EVENT_SCHEMA', to)}`,
  )
  const there = new Set(rows.map((row) => row.text('name')))
  const enabled = prepared.events.flatMap((event) => (event.enable === undefined ? [] : [{ ...event, sql: event.enable }]))
  for (const event of enabled.filter(({ name }) => !there.has(name))) pastEvent(event.name, prepared, context)
  await phase(
    prepared,
    context,
    'enabled events',
    enabled.filter(({ name }) => there.has(name)),
    { drop: false },
  )
}

/** Journal entry: rows need not be those of the backup any more. */
export const eventsMayRun = 'events may run'

/** The server drops an event for one moment as soon as that has passed. */
function pastEvent(name: string, prepared: PreparedSchema, context: SchemaRestoreContext): void {
  context.failures.problem({
    severity: 'warning',
    code: 'INVALID_INPUT',
    item: prepared.contents.item,
    message: `event ${prepared.contents.to}.${name} was not created: its time has passed since the backup`,
    hint: `Look in ${layoutFiles.objects} of the backup what it would have done, and do it by hand if it must be done.`,
  })
}

async function phase(
  prepared: PreparedSchema,
  context: SchemaRestoreContext,
  name: string,
  programs: readonly PreparedProgram[],
  options: { readonly drop: boolean } = { drop: true },
): Promise<void> {
  const { connection, journal, server } = context
  const { item, to } = prepared.contents
  if (programs.length === 0) return
  await journal.once(connection, [item, name], async () => {
    await use(prepared, context)
    const own = await ownCollation(prepared, context)
    // A run that was cut in the middle of a phase leaves another one behind.
    let current = await readCollation(connection, to)
    try {
      for (const program of programs) {
        const during = `creating ${program.kind} ${to}.${program.name}`
        const drop = `DROP ${program.kind.toUpperCase()} IF EXISTS ${quoteTable(to, program.name)}`
        // The server keeps the default collation of the schema at that moment with the program.
        if (program.kind !== 'view') current = await setCollation(connection, to, current, program.context.databaseCollation)
        const statements = options.drop ? [drop, program.sql] : [program.sql]
        await runProgram(connection, server, { statements, context: program.context, during }).catch((error: unknown) => {
          if (program.kind !== 'view') throw error
          viewNotCreated(program, prepared, context, error)
        })
      }
    } finally {
      await setCollation(connection, to, current, own)
    }
  })
}

/**
 * The very last step of a schema: its default collation is the one it shall have. Throws `INCONSISTENT` when it is not, which only somebody
 * else can have done.
 */
export async function checkCollation(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<void> {
  const { connection } = context
  const { to } = prepared.contents
  const [own, found] = [await ownCollation(prepared, context), await readCollation(connection, to)]
  if (own === found) return
  throw new BackupError(`the default collation of schema ${to} is ${found}, not ${own}`, {
    code: 'INCONSISTENT',
    hint: `Make sure that nobody else alters the schema, run ALTER DATABASE ${quoteIdentifier(to)} COLLATE ${own}, and execute the same plan again.`,
  })
}

/** What the schema has before the first program needs another one; of a schema that is only added to, it is its own and not that of the backup. */
async function keepCollation(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<void> {
  const { item, to } = prepared.contents
  await context.journal.keep(context.connection, keptCollation(item), await readCollation(context.connection, to))
}

async function ownCollation(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<string> {
  const { item, schema } = prepared.contents
  const kept = (await context.journal.kept(context.connection)).get(keptCollation(item))
  return kept ?? context.restore.collationMap[schema?.collation ?? ''] ?? schema?.collation ?? ''
}

/** A digest, since the name of a schema alone fills the column. */
function keptCollation(item: string): string {
  return `collation ${createHash('sha256').update(item).digest('hex').slice(0, 32)}`
}

async function readCollation(connection: MysqlConnection, schema: string): Promise<string> {
  const [row] = await connection.rows(
    `SELECT DEFAULT_COLLATION_NAME AS collation_name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${quoteText(schema)}`,
    `reading the collation of schema ${schema}`,
  )
  if (row !== undefined) return row.text('collation_name')
  throw new BackupError(`schema ${schema} is gone`, {
    code: 'CONFLICT',
    hint: `Somebody else dropped it during the restore. ${abandonHint}`,
  })
}

async function setCollation(connection: MysqlConnection, schema: string, current: string, wanted: string): Promise<string> {
  if (current === wanted || wanted === '') return current
  await connection.run(`ALTER DATABASE ${quoteIdentifier(schema)} COLLATE ${wanted}`, `setting the collation of schema ${schema}`)
  return wanted
}

/** A view over what is gone may have been broken in the source too; the rest of the schema must not suffer for it. */
function viewNotCreated(view: PreparedProgram, prepared: PreparedSchema, context: SchemaRestoreContext, error: unknown): void {
  const broken = prepared.views.some((candidate) => candidate.name === view.name && candidate.broken)
  // Only what the view itself names: missing tables, columns, functions, rights of the definer.
  const isOfView =
    BackupError.is(error) && (error.code === 'NOT_FOUND' || error.code === 'APPLICATION' || (broken && error.code === 'ACCESS_DENIED'))
  if (!isOfView) throw error
  const name = `view ${prepared.contents.to}.${view.name}`
  const place = `Its text is in ${layoutFiles.objects} of the backup; create it once what it names is there.`
  context.failures.problem({
    severity: broken ? 'warning' : 'error',
    code: 'APPLICATION',
    item: prepared.contents.item,
    message: broken
      ? `${name} was broken in the source and was not created: ${error.message}`
      : `${name} was not created: ${error.message}`,
    hint: broken ? place : `What it names was not restored, or it was broken in the source as well. ${place}`,
  })
}

async function use(prepared: PreparedSchema, context: SchemaRestoreContext): Promise<void> {
  await context.connection.run(`USE ${quoteIdentifier(prepared.contents.to)}`)
}

function schemaDefaults(prepared: PreparedSchema, context: SchemaRestoreContext): string {
  const { schema, to } = prepared.contents
  const collation = schema?.collation ?? ''
  return `ALTER DATABASE ${quoteIdentifier(to)} CHARACTER SET ${schema?.characterSet} COLLATE ${context.restore.collationMap[collation] ?? collation}`
}
