import { readQuery, readTableMap } from '../binlog/binlog-event.ts'
import { eventType } from '../binlog/binlog-event-type.ts'
import { shownStatement, statementKind } from '../binlog/statement-text.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { quoteText } from '../mysql-quoting.ts'
import { cannotResume, type ReplayState } from './log-replay-journal.ts'
import type { UnitHead, UnitPiece } from './log-replay-units.ts'

/** What the first unit consists of that is applied and was not noted as done. */
interface NextUnit {
  readonly unit: UnitHead
  /** The beginning of its first statement that is no transaction control. */
  readonly statement: string | undefined
  /** Schema and table. */
  readonly tables: readonly (readonly [schema: string, table: string])[]
}

/**
 * Whether a replay can go on at the first of these units, which a cut may have left half done. It can where the server has rolled it back, or where a mark
 * says that it had not begun. Throws `CONFLICT` otherwise. Returns whether there was a unit to look at.
 */
export async function checkResumable(
  units: AsyncIterable<UnitPiece>,
  state: ReplayState,
  session: MysqlSession,
  name: string,
): Promise<boolean> {
  const next = await firstUnit(units)
  if (next === undefined) return false
  const place = `${name}:${next.unit.begin}`
  if (next.statement !== undefined) {
    if (state.begun) throw cannotResume(`${next.statement} at ${place} had begun, and the server does not say whether it was finished`)
    return true
  }
  const loose = await firstLooseTable(next.tables, session)
  if (loose !== undefined && (next.unit.plain || state.begun))
    throw cannotResume(`the transaction at ${place} changes table ${loose}, whose engine does not roll back`)
  return true
}

async function firstUnit(units: AsyncIterable<UnitPiece>): Promise<NextUnit | undefined> {
  let unit: UnitHead | undefined
  let statement: string | undefined
  const tables = new Map<string, readonly [string, string]>()
  let applied = false
  for await (const piece of units) {
    if (piece.type === 'begin') unit = piece.unit
    else if (piece.type === 'end' && applied) break
    else if (piece.type === 'event') {
      applied = true
      const { type, body, fixedBytes } = piece.event
      if (type === eventType.TABLE_MAP) {
        const table = tableOf(body, fixedBytes)
        if (table !== undefined) tables.set(table.join('\0'), table)
      } else if (type === eventType.QUERY || type === eventType.QUERY_COMPRESSED) {
        const query = readQuery(body, type, fixedBytes)
        if (query !== undefined && statementKind(query.statement) === 'other') statement ??= shownStatement(query.statement)
        else if (query !== undefined && statementKind(query.statement).startsWith('xa')) statement ??= 'a step of an XA transaction'
      } else if (piece.ending === 'prepare') statement ??= 'a transaction'
    }
  }
  return unit === undefined || !applied ? undefined : { unit, statement, tables: [...tables.values()] }
}

export function tableOf(body: Buffer, fixedBytes: number): readonly [schema: string, table: string] | undefined {
  const schemaBytes = body[fixedBytes] ?? 0
  const tableAt = fixedBytes + 1 + schemaBytes + 1
  if (readTableMap(body, fixedBytes) === undefined) return undefined
  return [body.toString('utf8', fixedBytes + 1, tableAt - 1), body.toString('utf8', tableAt + 1, tableAt + 1 + (body[tableAt] ?? 0))]
}

/** Rows of a sequence replace its whole state, so that they can be applied twice. */
async function firstLooseTable(tables: NextUnit['tables'], session: MysqlSession): Promise<string | undefined> {
  for (const [schema, table] of tables) {
    const [row] = await session.rows(
      `SELECT t.TABLE_TYPE AS type, e.TRANSACTIONS AS transactions FROM information_schema.TABLES t LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE WHERE t.TABLE_SCHEMA = ${quoteText(schema)} AND t.TABLE_NAME = ${quoteText(table)}`,
      `asking for the engine of ${schema}.${table}`,
    )
    if (row !== undefined && row.text('type') !== 'SEQUENCE' && row.nullable('transactions') !== 'YES') return `${schema}.${table}`
  }
  return undefined
}
