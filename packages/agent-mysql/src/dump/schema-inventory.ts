import type { DumpEvent, DumpRoutine, DumpSchema, DumpSequence, DumpTable, DumpTrigger, DumpView } from '../dump-layout.ts'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { isName, quoteIdentifier, quoteTable } from '../mysql-quoting.ts'
import type { ServerRow } from '../mysql-rows.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { type BrokenView, brokenReason } from './broken-views.ts'
import { describeColumn, keyColumn, systemPeriod } from './column-inventory.ts'
import { definitionText } from './definition-text.ts'
import { type ChunkKey, chooseKey } from './key-ranges.ts'
import { tableIsSelected } from './name-selection.ts'
import { readEvents, readRoutines, readTriggers, readView } from './program-inventory.ts'

/** A table with what is needed to read it. */
export interface InventoryTable {
  readonly table: DumpTable
  readonly key: ChunkKey | undefined
  /** Guesses of the server. */
  readonly estimatedBytes: number
  readonly averageRowBytes: number
  /** Its rows have versions that no statement could write again. */
  readonly historyLeftOut?: true
}

/** Everything in one schema, as it is when it is read. */
export interface SchemaInventory {
  readonly schema: DumpSchema
  /** Their values are read later, so that none is older than the snapshot. */
  readonly sequences: readonly Omit<DumpSequence, 'next'>[]
  readonly tables: readonly InventoryTable[]
  readonly views: readonly DumpView[]
  /** Those among the views that nobody can read. */
  readonly brokenViews: readonly BrokenView[]
  readonly routines: readonly DumpRoutine[]
  readonly triggers: readonly DumpTrigger[]
  readonly events: readonly DumpEvent[]
  /** Tables that the settings leave out. */
  readonly leftOutTables: readonly string[]
  /** How many tables, views and sequences the server listed. */
  readonly listed: number
}

type InventorySettings = Pick<
  ResolvedMysqlAgentSettings,
  'includeSchemas' | 'excludeSchemas' | 'includeTables' | 'excludeTables' | 'history' | 'stripDefiner' | 'definerMap'
>

/** Engines whose rows are not in this server: only their definition is captured. */
const foreignEngines: ReadonlySet<string> = new Set([
  'FEDERATED',
  'CONNECT',
  'SPIDER',
  'MRG_MYISAM',
  'MRG_MyISAM',
  'BLACKHOLE',
  'SPHINX',
  'S3',
  'NDBCLUSTER',
  'OQGRAPH',
])

/**
 * Reads the definition of everything in a schema. Throws `ACCESS_DENIED` for a body that the account may not see, `UNSUPPORTED` for one that cannot be
 * written as text.
 */
export async function readSchemaInventory(
  session: MysqlSession,
  server: ServerFacts,
  settings: InventorySettings,
  schema: string,
  transactionalEngines: ReadonlySet<string>,
): Promise<SchemaInventory> {
  // Names and plain definitions are UTF-8 all the same; what is not would come as question marks otherwise.
  await session.run('SET SESSION character_set_results = NULL', `reading schema ${schema}`)
  try {
    return await readDefinitions(session, server, settings, schema, transactionalEngines)
  } finally {
    await session.run('SET SESSION character_set_results = utf8mb4', `reading schema ${schema}`)
  }
}

async function readDefinitions(
  session: MysqlSession,
  server: ServerFacts,
  settings: InventorySettings,
  schema: string,
  transactionalEngines: ReadonlySet<string>,
): Promise<SchemaInventory> {
  const of = `of schema ${schema}`
  // In the schema itself the server prints views without its name, so that they can be created under another one.
  await session.run(`USE ${quoteIdentifier(schema)}`, `entering schema ${schema}`)
  const [database] = await session.rows(
    `SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE ${isName('schema_name', schema)}`,
    `reading the character set ${of}`,
  )
  const [created] = await session.rows(`SHOW CREATE DATABASE ${quoteIdentifier(schema)}`, `reading the definition ${of}`)
  const listed = await session.rows(
    `SELECT table_name, table_type, engine, avg_row_length, data_length FROM information_schema.tables WHERE ${isName('table_schema', schema)} ORDER BY table_name`,
    `listing the tables ${of}`,
  )
  const columns = groupByTable(
    await session.rows(
      `SELECT table_name, column_name, data_type, column_type, is_nullable, character_set_name, collation_name, extra, generation_expression FROM information_schema.columns WHERE ${isName('table_schema', schema)} ORDER BY table_name, ordinal_position`,
      `listing the columns ${of}`,
    ),
  )
  const indexes = groupByTable(
    await session.rows(
      `SELECT table_name, index_name, non_unique, seq_in_index, column_name, nullable, sub_part, index_type FROM information_schema.statistics WHERE ${isName('table_schema', schema)} ORDER BY table_name, index_name, seq_in_index`,
      `listing the indexes ${of}`,
    ),
  )
  const sequences: Omit<DumpSequence, 'next'>[] = []
  const tables: InventoryTable[] = []
  const views: DumpView[] = []
  const leftOutTables: string[] = []
  const brokenViews: BrokenView[] = []
  for (const row of listed) {
    const table = row.text('table_name')
    const type = row.text('table_type')
    const rows = columns.get(table) ?? []
    if (type === 'SEQUENCE') {
      sequences.push({ type: 'sequence', name: table, create: await showCreate(session, 'SEQUENCE', schema, table) })
    } else if (type === 'VIEW') {
      const view = await readView(session, settings, schema, table, rows)
      const reason = await brokenReason(session, schema, view)
      views.push(reason === undefined ? view : { ...view, broken: true })
      if (reason !== undefined) brokenViews.push({ name: table, reason })
    } else if (type === 'BASE TABLE' || type === 'SYSTEM VERSIONED') {
      if (!tableIsSelected(settings, schema, table)) {
        leftOutTables.push(table)
        continue
      }
      const create = await showCreate(session, 'TABLE', schema, table)
      tables.push(describeTable(row, create, rows, indexes.get(table) ?? [], settings, server, transactionalEngines))
    }
  }
  return {
    schema: {
      type: 'schema',
      name: schema,
      characterSet: database?.text('default_character_set_name') ?? '',
      collation: database?.text('default_collation_name') ?? '',
      create: created?.at(1) ?? '',
    },
    sequences,
    tables,
    views,
    brokenViews,
    routines: await readRoutines(session, settings, schema),
    triggers: await readTriggers(session, settings, schema, new Set(leftOutTables)),
    events: await readEvents(session, settings, schema),
    leftOutTables,
    listed: listed.length,
  }
}

function describeTable(
  row: ServerRow,
  create: string,
  columnRows: readonly ServerRow[],
  indexRows: readonly ServerRow[],
  settings: InventorySettings,
  server: ServerFacts,
  transactionalEngines: ReadonlySet<string>,
): InventoryTable {
  const name = row.text('table_name')
  const engine = row.nullable('engine') ?? ''
  const period = systemPeriod(row.text('table_type'), create)
  const columns = columnRows.map((column) => describeColumn(column, server))
  const byTimestamp = period !== undefined && !columns.some((column) => column.name === period.start && column.dataType === 'bigint')
  const history = settings.history && byTimestamp
  const plain = columns.filter((column) => column.generated === undefined && column.name !== period?.start && column.name !== period?.end)
  const dataColumns = [...plain.map((column) => column.name), ...(history && period !== undefined ? [period.start, period.end] : [])]
  const foreign = foreignEngines.has(engine)
  const leftOut = foreign ? `engine ${engine} keeps its rows elsewhere` : dataColumns.length === 0 ? 'every column is generated' : undefined
  const transactional = transactionalEngines.has(engine)
  return {
    table: {
      type: 'table',
      name,
      engine,
      transactional,
      create,
      columns,
      dataColumns,
      history,
      ...(leftOut === undefined ? {} : { dataLeftOut: leftOut }),
      consistency: transactional ? 'snapshot' : 'none',
    },
    key: chooseKey(indexRows.flatMap((index) => keyColumn(index, columns))),
    estimatedBytes: row.number('data_length'),
    averageRowBytes: row.number('avg_row_length'),
    ...(settings.history && period !== undefined && !byTimestamp ? { historyLeftOut: true as const } : {}),
  }
}

async function showCreate(session: MysqlSession, what: 'TABLE' | 'SEQUENCE', schema: string, name: string): Promise<string> {
  const during = `reading the definition of ${what.toLowerCase()} ${schema}.${name}`
  const [row] = await session.rows(`SHOW CREATE ${what} ${quoteTable(schema, name)}`, during)
  return definitionText(row, 1, `${what.toLowerCase()} ${schema}.${name}`)
}

function groupByTable(rows: readonly ServerRow[]): ReadonlyMap<string, readonly ServerRow[]> {
  const groups = new Map<string, ServerRow[]>()
  for (const row of rows) {
    const table = row.text('table_name')
    const group = groups.get(table)
    if (group === undefined) groups.set(table, [row])
    else group.push(row)
  }
  return groups
}
