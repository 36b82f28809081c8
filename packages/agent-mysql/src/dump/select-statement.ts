import type { DumpColumn, DumpTable } from '../dump-layout.ts'
import { quoteIdentifier, quoteTable } from '../mysql-quoting.ts'
import type { KeyRange } from './key-ranges.ts'

/**
 * The SELECT that reads the data columns of a table, in the order of `dataColumns`: explicit columns, because `*` leaves out
 * invisible ones; FLOAT as the double it is, because its own text has six digits only; BIT as a decimal.
 */
export function selectStatement(schema: string, table: DumpTable, range?: KeyRange): string {
  const columns = new Map(table.columns.map((column) => [column.name, column]))
  const list = table.dataColumns.map((name) => selectExpression(name, columns.get(name)))
  return `SELECT /*!40001 SQL_NO_CACHE */ ${list.join(', ')} FROM ${fromClause(schema, table, range)}${range === undefined ? '' : whereClause(range)}`
}

/** The table with all versions of its rows where the dump keeps history. */
export function fromClause(schema: string, table: Pick<DumpTable, 'name' | 'history'>, range?: KeyRange): string {
  const versions = table.history ? ' FOR SYSTEM_TIME ALL' : ''
  const index = range?.index === undefined ? '' : ` FORCE INDEX (${quoteIdentifier(range.index)})`
  return `${quoteTable(schema, table.name)}${versions}${index}`
}

function selectExpression(name: string, column: DumpColumn | undefined): string {
  const quoted = quoteIdentifier(name)
  if (column?.load === 'bit') return `${quoted}+0`
  if (column?.load === 'float') return `${quoted}+0e0`
  return quoted
}

function whereClause(range: KeyRange): string {
  const column = quoteIdentifier(range.column)
  const conditions = [
    ...(range.from === undefined ? [] : [`${column} ${range.fromInclusive ? '>=' : '>'} ${range.from}`]),
    ...(range.to === undefined ? [] : [`${column} ${range.toInclusive ? '<=' : '<'} ${range.to}`]),
  ]
  return conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
}
