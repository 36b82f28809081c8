import type { DumpEvent, DumpRoutine, DumpTrigger, DumpView, ProgramContext } from '../dump-layout.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { isName, quoteTable } from '../mysql-quoting.ts'
import type { ServerRow } from '../mysql-rows.ts'
import { programText } from './definition-text.ts'
import { type DefinerRule, withDefiner } from './program-text.ts'

/** What a schema holds besides tables, with the session each was created in. Each throws `ACCESS_DENIED` for a body that the account may not see. */
export async function readView(
  session: MysqlSession,
  rule: DefinerRule,
  schema: string,
  view: string,
  columns: readonly ServerRow[],
): Promise<DumpView> {
  const during = `reading the definition of view ${schema}.${view}`
  const [row] = await session.rows(`SHOW CREATE VIEW ${quoteTable(schema, view)}`, during)
  const context = {
    sqlMode: '',
    characterSetClient: row?.text('character_set_client') ?? '',
    collationConnection: row?.text('collation_connection') ?? '',
    databaseCollation: '',
  }
  return {
    type: 'view',
    name: view,
    create: row === undefined ? '' : withDefiner(await programText(session, row, 'create view', context, `view ${schema}.${view}`), rule),
    columns: columns.map((column) => column.text('column_name')),
    context,
  }
}

export async function readRoutines(session: MysqlSession, rule: DefinerRule, schema: string): Promise<DumpRoutine[]> {
  const rows = await session.rows(
    `SELECT routine_name, routine_type FROM information_schema.routines WHERE ${isName('routine_schema', schema)} ORDER BY FIELD(routine_type, 'FUNCTION', 'PROCEDURE', 'PACKAGE', 'PACKAGE BODY'), routine_name`,
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
    const context = programContext(row)
    const text = await programText(session, row, `create ${kind}`, context, `${kind} ${schema}.${name}`)
    routines.push({ type: 'routine', kind, name, create: withDefiner(text, rule), context })
  }
  return routines
}

/** Tables as `schema.table` that have triggers which the account may see. */
export async function readTriggeredTables(session: MysqlSession): Promise<readonly string[]> {
  const rows = await session.rows(
    'SELECT DISTINCT event_object_schema AS s, event_object_table AS t FROM information_schema.triggers ORDER BY 1, 2',
    'listing the tables that have triggers',
  )
  return rows.map((row) => `${row.text('s')}.${row.text('t')}`)
}

/** @param leftOutTables those of the settings: their triggers would have nothing to be on */
export async function readTriggers(
  session: MysqlSession,
  rule: DefinerRule,
  schema: string,
  leftOutTables: ReadonlySet<string>,
): Promise<DumpTrigger[]> {
  const rows = await session.rows(
    `SELECT trigger_name, event_object_table FROM information_schema.triggers WHERE ${isName('trigger_schema', schema)} ORDER BY event_object_table, action_timing, event_manipulation, action_order, trigger_name`,
    `listing the triggers of schema ${schema}`,
  )
  const triggers: DumpTrigger[] = []
  for (const listed of rows) {
    const name = listed.text('trigger_name')
    const table = listed.text('event_object_table')
    if (leftOutTables.has(table)) continue
    const [row] = await session.rows(`SHOW CREATE TRIGGER ${quoteTable(schema, name)}`, `reading trigger ${schema}.${name}`)
    if (row === undefined) continue
    const context = programContext(row)
    const text = await programText(session, row, 'sql original statement', context, `trigger ${schema}.${name}`)
    triggers.push({ type: 'trigger', name, table, create: withDefiner(text, rule), context })
  }
  return triggers
}

export async function readEvents(session: MysqlSession, rule: DefinerRule, schema: string): Promise<DumpEvent[]> {
  const rows = await session.rows(
    `SELECT event_name, status FROM information_schema.events WHERE ${isName('event_schema', schema)} ORDER BY event_name`,
    `listing the events of schema ${schema}`,
  )
  const events: DumpEvent[] = []
  for (const listed of rows) {
    const name = listed.text('event_name')
    const [row] = await session.rows(`SHOW CREATE EVENT ${quoteTable(schema, name)}`, `reading event ${schema}.${name}`)
    if (row === undefined) continue
    const context = { ...programContext(row), timeZone: row.text('time_zone') }
    const text = await programText(session, row, 'create event', context, `event ${schema}.${name}`)
    events.push({ type: 'event', name, create: withDefiner(text, rule), status: listed.text('status'), context })
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
