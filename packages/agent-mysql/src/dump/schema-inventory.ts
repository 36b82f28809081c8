import type {
  DumpColumn,
  DumpEvent,
  DumpRoutine,
  DumpSchema,
  DumpSequence,
  DumpTable,
  DumpTrigger,
  DumpView,
  ProgramContext,
} from '../dump-layout.ts'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { quoteIdentifier, quoteTable, quoteText } from '../mysql-quoting.ts'
import type { ServerRow } from '../mysql-rows.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { type ChunkKey, chooseKey, type KeyColumn } from './key-ranges.ts'
import { tableIsSelected } from './name-selection.ts'
import { withDefiner } from './program-text.ts'

/** A table with what is needed to read it. */
export interface InventoryTable {
  readonly table: DumpTable
  readonly key: ChunkKey | undefined
  /** Guesses of the server. */
  readonly estimatedBytes: number
  readonly estimatedRows: number
  readonly averageRowBytes: number
}

/** Everything in one schema, as it is when it is read. */
export interface SchemaInventory {
  readonly schema: DumpSchema
  /** Their values are read later, so that none is older than the snapshot. */
  readonly sequences: readonly Omit<DumpSequence, 'next'>[]
  readonly tables: readonly InventoryTable[]
  readonly views: readonly DumpView[]
  readonly routines: readonly DumpRoutine[]
  readonly triggers: readonly DumpTrigger[]
  readonly events: readonly DumpEvent[]
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

/** Reads the definition of everything in a schema. Throws `ACCESS_DENIED` for a body that the account may not see. */
export async function readSchemaInventory(
  session: MysqlSession,
  server: ServerFacts,
  settings: InventorySettings,
  schema: string,
  transactionalEngines: ReadonlySet<string>,
): Promise<SchemaInventory> {
  const of = `of schema ${schema}`
  const name = quoteText(schema)
  // In the schema itself the server prints views without its name, so that they can be created under another one.
  await session.run(`USE ${quoteIdentifier(schema)}`, `entering schema ${schema}`)
  const [database] = await session.rows(
    `SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = ${name}`,
    `reading the character set ${of}`,
  )
  const [created] = await session.rows(`SHOW CREATE DATABASE ${quoteIdentifier(schema)}`, `reading the definition ${of}`)
  const listed = await session.rows(
    `SELECT table_name, table_type, engine, table_rows, avg_row_length, data_length FROM information_schema.tables WHERE table_schema = ${name} ORDER BY table_name`,
    `listing the tables ${of}`,
  )
  const columns = groupByTable(
    await session.rows(
      `SELECT table_name, column_name, data_type, column_type, is_nullable, character_set_name, collation_name, extra, generation_expression FROM information_schema.columns WHERE table_schema = ${name} ORDER BY table_name, ordinal_position`,
      `listing the columns ${of}`,
    ),
  )
  const indexes = groupByTable(
    await session.rows(
      `SELECT table_name, index_name, non_unique, seq_in_index, column_name, nullable, sub_part, index_type FROM information_schema.statistics WHERE table_schema = ${name} ORDER BY table_name, index_name, seq_in_index`,
      `listing the indexes ${of}`,
    ),
  )
  const sequences: Omit<DumpSequence, 'next'>[] = []
  const tables: InventoryTable[] = []
  const views: DumpView[] = []
  for (const row of listed) {
    const table = row.text('table_name')
    const type = row.text('table_type')
    const rows = columns.get(table) ?? []
    if (type === 'SEQUENCE') {
      sequences.push({ type: 'sequence', name: table, create: await showCreate(session, 'SEQUENCE', schema, table) })
    } else if (type === 'VIEW') {
      views.push(await readView(session, settings, schema, table, rows))
    } else if (type === 'BASE TABLE' || type === 'SYSTEM VERSIONED') {
      if (!tableIsSelected(settings, schema, table)) continue
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
    routines: await readRoutines(session, settings, schema),
    triggers: await readTriggers(session, settings, schema),
    events: await readEvents(session, settings, schema),
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
    estimatedRows: row.number('table_rows'),
    averageRowBytes: row.number('avg_row_length'),
  }
}

/** Names of the two period columns of a system-versioned table; they are hidden unless the table names them. */
function systemPeriod(type: string, create: string): { readonly start: string; readonly end: string } | undefined {
  if (type !== 'SYSTEM VERSIONED') return undefined
  const match = /PERIOD FOR SYSTEM_TIME \(`((?:[^`]|``)+)`, `((?:[^`]|``)+)`\)/.exec(create)
  if (match === null) return { start: 'row_start', end: 'row_end' }
  return { start: (match[1] ?? '').replaceAll('``', '`'), end: (match[2] ?? '').replaceAll('``', '`') }
}

const geometryTypes: ReadonlySet<string> = new Set([
  'geometry',
  'point',
  'linestring',
  'polygon',
  'multipoint',
  'multilinestring',
  'multipolygon',
  'geometrycollection',
  'geomcollection',
])

function describeColumn(row: ServerRow, server: ServerFacts): DumpColumn {
  const extra = row.nullable('extra') ?? ''
  const dataType = row.text('data_type').toLowerCase()
  const characterSet = row.nullable('character_set_name')
  const collation = row.nullable('collation_name')
  // MySQL says DEFAULT_GENERATED of a column whose default is an expression; that one is stored like any other.
  const generated = /\bVIRTUAL\b/i.test(extra) ? 'virtual' : /\b(STORED|PERSISTENT)\b/i.test(extra) ? 'stored' : undefined
  return {
    name: row.text('column_name'),
    dataType,
    columnType: row.text('column_type'),
    nullable: row.text('is_nullable') === 'YES',
    ...(characterSet === undefined ? {} : { characterSet }),
    ...(collation === undefined ? {} : { collation }),
    ...(generated === undefined ? {} : { generated }),
    ...(/\bINVISIBLE\b/i.test(extra) ? { invisible: true as const } : {}),
    load: loadOf(dataType, server),
  }
}

function loadOf(dataType: string, server: ServerFacts): DumpColumn['load'] {
  if (dataType === 'bit' || dataType === 'float') return dataType
  if (geometryTypes.has(dataType)) return 'geometry'
  // From binary text these would take the bytes as their value, and become NULL.
  if (dataType === 'uuid' || dataType === 'inet6' || dataType === 'inet4') return 'json'
  // MariaDB's JSON is LONGTEXT with a check.
  return dataType === 'json' && server.flavour !== 'mariadb' ? 'json' : 'plain'
}

function keyColumn(row: ServerRow, columns: readonly DumpColumn[]): KeyColumn[] {
  const name = row.nullable('column_name')
  const column = columns.find((candidate) => candidate.name === name)
  if (column === undefined || row.text('index_type') !== 'BTREE') return []
  return [
    {
      index: row.text('index_name'),
      unique: row.number('non_unique') === 0,
      sequence: row.number('seq_in_index'),
      column: column.name,
      nullable: row.nullable('nullable') === 'YES',
      prefix: row.nullable('sub_part') !== undefined,
      dataType: column.dataType,
      ...(column.characterSet === undefined ? {} : { characterSet: column.characterSet }),
    },
  ]
}

async function readView(
  session: MysqlSession,
  settings: InventorySettings,
  schema: string,
  view: string,
  columns: readonly ServerRow[],
): Promise<DumpView> {
  const during = `reading the definition of view ${schema}.${view}`
  const [row] = await session.rows(`SHOW CREATE VIEW ${quoteTable(schema, view)}`, during)
  return {
    type: 'view',
    name: view,
    create: withDefiner(row?.text('create view') ?? '', settings),
    columns: columns.map((column) => column.text('column_name')),
    context: {
      sqlMode: '',
      characterSetClient: row?.text('character_set_client') ?? '',
      collationConnection: row?.text('collation_connection') ?? '',
      databaseCollation: '',
    },
  }
}

async function readRoutines(session: MysqlSession, settings: InventorySettings, schema: string): Promise<DumpRoutine[]> {
  const rows = await session.rows(
    `SELECT routine_name, routine_type FROM information_schema.routines WHERE routine_schema = ${quoteText(schema)} ORDER BY FIELD(routine_type, 'FUNCTION', 'PROCEDURE', 'PACKAGE', 'PACKAGE BODY'), routine_name`,
    `listing the routines of schema ${schema}`,
  )
  const routines: DumpRoutine[] = []
  for (const listed of rows) {
    const type = listed.text('routine_type')
    const name = listed.text('routine_name')
    const during = `reading the body of ${type.toLowerCase()} ${schema}.${name}`
    const [row] = await session.rows(`SHOW CREATE ${type} ${quoteTable(schema, name)}`, during)
    if (row === undefined) continue
    const kind = type.toLowerCase() as DumpRoutine['kind']
    routines.push({ type: 'routine', kind, name, create: withDefiner(row.text(`create ${kind}`), settings), context: programContext(row) })
  }
  return routines
}

async function readTriggers(session: MysqlSession, settings: InventorySettings, schema: string): Promise<DumpTrigger[]> {
  const rows = await session.rows(
    `SELECT trigger_name, event_object_table FROM information_schema.triggers WHERE trigger_schema = ${quoteText(schema)} ORDER BY event_object_table, action_timing, event_manipulation, action_order, trigger_name`,
    `listing the triggers of schema ${schema}`,
  )
  const triggers: DumpTrigger[] = []
  for (const listed of rows) {
    const name = listed.text('trigger_name')
    const table = listed.text('event_object_table')
    const [row] = await session.rows(`SHOW CREATE TRIGGER ${quoteTable(schema, name)}`, `reading trigger ${schema}.${name}`)
    if (row === undefined) continue
    triggers.push({
      type: 'trigger',
      name,
      table,
      create: withDefiner(row.text('sql original statement'), settings),
      context: programContext(row),
    })
  }
  return triggers
}

async function readEvents(session: MysqlSession, settings: InventorySettings, schema: string): Promise<DumpEvent[]> {
  const rows = await session.rows(
    `SELECT event_name, status FROM information_schema.events WHERE event_schema = ${quoteText(schema)} ORDER BY event_name`,
    `listing the events of schema ${schema}`,
  )
  const events: DumpEvent[] = []
  for (const listed of rows) {
    const name = listed.text('event_name')
    const [row] = await session.rows(`SHOW CREATE EVENT ${quoteTable(schema, name)}`, `reading event ${schema}.${name}`)
    if (row === undefined) continue
    const context = { ...programContext(row), timeZone: row.text('time_zone') }
    events.push({ type: 'event', name, create: withDefiner(row.text('create event'), settings), status: listed.text('status'), context })
  }
  return events
}

function programContext(row: ServerRow): ProgramContext {
  return {
    sqlMode: row.nullable('sql_mode') ?? '',
    characterSetClient: row.text('character_set_client'),
    collationConnection: row.text('collation_connection'),
    databaseCollation: row.text('database collation'),
  }
}

async function showCreate(session: MysqlSession, what: 'TABLE' | 'SEQUENCE', schema: string, name: string): Promise<string> {
  const during = `reading the definition of ${what.toLowerCase()} ${schema}.${name}`
  const [row] = await session.rows(`SHOW CREATE ${what} ${quoteTable(schema, name)}`, during)
  return row?.at(1) ?? ''
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
