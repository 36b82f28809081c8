import { type EngineCheck, type OperationOptions, type RestoreReport, throwIfAborted } from '@backup-planet/core'
import { accountsItem, binlogItem } from '../dump-layout.ts'
import type { MysqlConnection } from '../mysql-connection.ts'
import { quoteTable, quoteText } from '../mysql-quoting.ts'
import type { ServerRow } from '../mysql-rows.ts'
import { detectServer } from '../mysql-server.ts'
import { isSchema } from '../restore/restore-target.ts'

/** Runs CHECK TABLE … EXTENDED on every table of the restored schemas; a schema that is not there is a check that did not pass. */
export async function checkRestoredTables(
  session: MysqlConnection,
  { items }: RestoreReport,
  options: OperationOptions,
): Promise<readonly EngineCheck[]> {
  const restored = items.filter(({ item, failure }) => failure === undefined && item !== accountsItem && item !== binlogItem)
  const checks: EngineCheck[] = []
  for (const { item, to } of restored) checks.push(...(await checkSchema(session, item, to, options)))
  return checks
}

export async function checkSchema(
  session: MysqlConnection,
  item: string,
  schema: string,
  { signal, onProgress }: OperationOptions,
): Promise<readonly EngineCheck[]> {
  const server = await detectServer(session)
  const [there] = await session.rows(
    `SELECT COUNT(*) AS found FROM information_schema.SCHEMATA WHERE ${isSchema(server, 'SCHEMA_NAME', schema)}`,
    `looking for schema ${schema}`,
  )
  if (there?.number('found') !== 1) return [{ item, name: `schema ${schema}`, expected: 'there', found: 'missing', passed: false }]
  const tables = await session.rows(
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE ${isSchema(server, 'TABLE_SCHEMA', schema)} AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1`,
    `listing the tables of ${schema}`,
  )
  onProgress?.({ type: 'item', phase: 'verify', item, state: 'begun' })
  const checks: EngineCheck[] = [{ item, name: `schema ${schema}`, expected: 'there', found: 'there', passed: true }]
  for (const row of tables) {
    const name = row.text('name')
    throwIfAborted(signal, `checking ${schema}.${name}`)
    const said = await session.rows(`CHECK TABLE ${quoteTable(schema, name)} EXTENDED`, `checking ${schema}.${name}`)
    checks.push({ item, name: `CHECK TABLE ${schema}.${name} EXTENDED`, expected: 'OK', ...verdictOf(said) })
  }
  const failed = checks.some(({ passed }) => !passed)
  onProgress?.({ type: 'item', phase: 'verify', item, state: failed ? 'failed' : 'ended' })
  return checks
}

/** Rows of Table, Op, Msg_type and Msg_text; the last is the verdict (MariaDB documentation and MySQL 8.4 manual, "CHECK TABLE Statement"). */
export function verdictOf(rows: readonly Pick<ServerRow, 'at'>[]): Pick<EngineCheck, 'found' | 'passed'> {
  const messages = rows.map((row) => ({ type: (row.at(2) ?? '').toLowerCase(), text: row.at(3) ?? '' }))
  const errors = messages.filter(({ type }) => type === 'error')
  const last = messages.at(-1)
  // An engine without a check says so in a note.
  const isSound =
    last !== undefined && (last.type === 'note' || (last.type === 'status' && /^(OK|Table is already up to date)$/.test(last.text)))
  const said = errors.length > 0 ? errors.map(({ text }) => text).join('; ') : (last?.text ?? 'nothing')
  return { found: said.slice(0, 1000), passed: errors.length === 0 && isSound }
}

/** Every schema that somebody has put there, and `mysql`; for a copy of a whole server. */
export async function schemasToCheck(session: MysqlConnection): Promise<readonly string[]> {
  const virtual = ['information_schema', 'performance_schema', 'sys']
  const rows = await session.rows(
    `SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN (${virtual.map(quoteText).join(', ')}) ORDER BY 1`,
    'listing the schemas of the copy',
  )
  return rows.map((row) => row.text('name'))
}
