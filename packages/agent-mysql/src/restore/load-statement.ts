import type { DumpColumn, DumpTable } from '../dump-layout.ts'
import { dataColumns, loadDataClauses } from '../load-data-clauses.ts'
import { quoteIdentifier, quoteTable } from '../mysql-quoting.ts'

/** Name that our LOAD DATA gives its file. A server that asks for any other is not answered. */
export const loadFileName = 'backup-planet-rows'

export { dataColumns } from '../load-data-clauses.ts'

/** The LOAD DATA statement for the data files of a table. */
export function loadStatement(schema: string, table: DumpTable): string {
  return `LOAD DATA LOCAL INFILE '${loadFileName}' INTO TABLE ${quoteTable(schema, table.name)} ${loadDataClauses(table)}`
}

/** One INSERT of several rows, for servers without `local_infile`. Values are bytes, `undefined` is NULL. */
export function insertStatement(schema: string, table: DumpTable, rows: readonly (readonly (Buffer | undefined)[])[]): string {
  const columns = dataColumns(table)
  const values = rows.map((row) => `(${row.map((value, index) => literal(value, columns[index])).join(',')})`)
  return `INSERT INTO ${quoteTable(schema, table.name)} (${columns.map((column) => quoteIdentifier(column.name)).join(', ')}) VALUES ${values.join(',')}`
}

/** Numbers keep their decimal text, everything else is a hexadecimal literal, so that no byte depends on a character set. */
function literal(value: Buffer | undefined, column: DumpColumn | undefined): string {
  if (value === undefined) return 'NULL'
  if (column?.load === 'bit') return /^\d+$/.test(value.toString('latin1')) ? value.toString('latin1') : '0'
  if (value.length === 0) return "''"
  // A bare x'' literal would be a number in a numeric context.
  if (column?.load === 'json') return `CONVERT(x'${value.toString('hex')}' USING utf8mb4)`
  return `CONCAT(x'${value.toString('hex')}')`
}

/** The fields of one line of a data file, without its line end. */
export function splitFields(line: Buffer): (Buffer | undefined)[] {
  const fields: (Buffer | undefined)[] = []
  let begin = 0
  for (let index = 0; index <= line.length; index++) {
    if (index < line.length && line[index] === 0x5c) index++
    else if (index === line.length || line[index] === 0x09) {
      fields.push(unescapeField(line.subarray(begin, index)))
      begin = index + 1
    }
  }
  return fields
}

const escapes = new Map([
  [0x30, 0x00],
  [0x62, 0x08],
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
  [0x5a, 0x1a],
])

function unescapeField(field: Buffer): Buffer | undefined {
  if (field.length === 2 && field[0] === 0x5c && field[1] === 0x4e) return undefined
  if (!field.includes(0x5c)) return field
  const bytes = Buffer.alloc(field.length)
  let length = 0
  for (let index = 0; index < field.length; index++) {
    let byte = field[index] ?? 0
    if (byte === 0x5c && index + 1 < field.length) {
      index++
      const escaped = field[index] ?? 0
      byte = escapes.get(escaped) ?? escaped
    }
    bytes[length++] = byte
  }
  return bytes.subarray(0, length)
}
