import { fromClause } from './dump/select-statement.ts'
import type { DumpTable } from './dump-layout.ts'
import { quoteIdentifier } from './mysql-quoting.ts'

/**
 * SQL whose one row has `row_count` and an order-free `checksum` over the data columns of a table: equal on two tables with
 * equal rows, whatever their row format, page order and server version. (CHECKSUM TABLE is not: it depends on the row
 * format, and with a virtual column on chance.) The sessions on both sides must have time zone UTC.
 *
 * Each value is reduced by CRC32 before they are joined, so that rows of any size and columns of any character set can be
 * mixed; NULL has a mark of its own, since CONCAT_WS would skip it.
 *
 * @param schema where the table lies now
 */
export function checksumStatement(schema: string, table: Pick<DumpTable, 'name' | 'history' | 'columns' | 'dataColumns'>): string {
  const columns = new Map(table.columns.map((column) => [column.name, column]))
  const values = table.dataColumns.map((name) => {
    const quoted = quoteIdentifier(name)
    const load = columns.get(name)?.load
    if (load === 'bit') return `${quoted}+0`
    if (load === 'float') return `${quoted}+0e0`
    if (load === 'geometry') return `HEX(${quoted})`
    return load === 'json' ? `CAST(${quoted} AS CHAR)` : quoted
  })
  const row = values.map((value) => `IFNULL(CRC32(${value}), 'N')`)
  const sum = values.length === 0 ? '0' : `COALESCE(BIT_XOR(CRC32(CONCAT_WS('#', ${row.join(', ')}))), 0)`
  return `SELECT COUNT(*) AS row_count, ${sum} AS checksum FROM ${fromClause(schema, table)}`
}
