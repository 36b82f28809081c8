import type { DumpTable } from '../dump-layout.ts'
import type { ServerRow } from '../mysql-rows.ts'
import { dataColumns, splitFields } from './load-statement.ts'
import { rowLines } from './row-lines.ts'

/** WARN_DATA_TRUNCATED. */
const truncated = '1265'

/**
 * Whether all that the server warned of is the value that an ENUM takes for a text it does not know: `''` with index 0. The source
 * held it, the target holds it now, and the server says so each time. True only when every warning is of that kind and there are
 * exactly as many as the rows hold empty texts in columns without such a member.
 */
export async function unknownEnumValues(
  warnings: readonly ServerRow[],
  count: number,
  table: DumpTable,
  rows: AsyncIterable<Buffer> | readonly (readonly (Buffer | undefined)[])[],
): Promise<boolean> {
  const columns = dataColumns(table)
  const places = columns.flatMap((column, index) => (column.dataType === 'enum' && !/[(,]''[,)]/.test(column.columnType) ? [index] : []))
  if (places.length === 0 || warnings.length !== count) return false
  const names = new Set(places.map((place) => columns[place]?.name))
  const onlyEnums = warnings.every(
    (row) => row.at(1) === truncated && names.has(/^Data truncated for column '(.*)' at row \d+$/.exec(row.at(2) ?? '')?.[1]),
  )
  if (!onlyEnums) return false
  let empty = 0
  for await (const row of Symbol.asyncIterator in rows ? fieldsOf(rows) : rows) {
    for (const place of places) if (row[place]?.length === 0) empty++
  }
  return empty === count
}

async function* fieldsOf(content: AsyncIterable<Buffer>): AsyncGenerator<readonly (Buffer | undefined)[]> {
  for await (const line of rowLines(content)) yield splitFields(line)
}
