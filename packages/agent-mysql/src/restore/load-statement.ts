import type { DumpColumn, DumpTable } from '../dump-layout.ts'
import { quoteIdentifier, quoteTable } from '../mysql-quoting.ts'
import { splitCreateTable } from './create-table-text.ts'

/** Name that our LOAD DATA gives its file. A server that asks for any other is not answered. */
export const loadFileName = 'backup-planet-rows'

/**
 * The LOAD DATA statement for the data files of a table. Bytes go in as they are (`CHARACTER SET binary`); types that this does
 * not suit pass through a user variable.
 *
 * Once there is a SET clause, the AUTO_INCREMENT column is assigned by it too: MariaDB forgets before SET that the file gave the column
 * a value, and would number rows whose value is 0 anew, in spite of NO_AUTO_VALUE_ON_ZERO.
 */
export function loadStatement(schema: string, table: DumpTable): string {
  const columns = dataColumns(table)
  const counter = columns.some((column) => assignment(column, '') !== undefined) ? autoIncrementColumn(table) : undefined
  const assignments: string[] = []
  const fields = columns.map((column, index) => {
    const variable = `@field${index}`
    const expression = assignment(column, variable) ?? (column.name === counter ? variable : undefined)
    if (expression === undefined) return quoteIdentifier(column.name)
    assignments.push(`${quoteIdentifier(column.name)} = ${expression}`)
    return variable
  })
  return [
    `LOAD DATA LOCAL INFILE '${loadFileName}' INTO TABLE ${quoteTable(schema, table.name)} CHARACTER SET binary`,
    "FIELDS TERMINATED BY '\\t' ENCLOSED BY '' ESCAPED BY '\\\\' LINES STARTING BY '' TERMINATED BY '\\n'",
    `(${fields.join(', ')})`,
    ...(assignments.length > 0 ? [`SET ${assignments.join(', ')}`] : []),
  ].join(' ')
}

function autoIncrementColumn(table: DumpTable): string | undefined {
  return splitCreateTable(table.create).definitions.find((definition) => definition.autoIncrement)?.name
}

/** The columns of a row in the data files, in order. Throws a TypeError when the table lacks one. */
export function dataColumns(table: DumpTable): DumpColumn[] {
  const byName = new Map(table.columns.map((column) => [column.name, column]))
  return table.dataColumns.map((name) => {
    // The period columns of a system-versioned table need not be among its columns.
    return byName.get(name) ?? { name, dataType: 'timestamp', columnType: 'timestamp(6)', nullable: true, load: 'plain' }
  })
}

function assignment(column: DumpColumn, variable: string): string | undefined {
  switch (column.load) {
    case 'bit':
      return `CAST(${variable} AS UNSIGNED)`
    case 'json':
      return `CONVERT(${variable} USING utf8mb4)`
    case 'geometry':
      return variable
    case 'plain':
    case 'float':
      return undefined
  }
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
