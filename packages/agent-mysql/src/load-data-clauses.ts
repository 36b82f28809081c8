import type { DumpColumn, DumpTable } from './dump-layout.ts'
import { quoteIdentifier } from './mysql-quoting.ts'
import { splitCreateTable } from './restore/create-table-text.ts'

/**
 * What follows `LOAD DATA LOCAL INFILE … INTO TABLE …` for the data files of a table, in our own restore and in the files for a hand alike. Bytes go
 * in as they are (`CHARACTER SET binary`); types that this does not suit pass through a user variable.
 *
 * Once there is a SET clause, the AUTO_INCREMENT column is assigned by it too: MariaDB forgets before SET that the file gave the column
 * a value, and would number rows whose value is 0 anew, in spite of NO_AUTO_VALUE_ON_ZERO.
 */
export function loadDataClauses(table: DumpTable): string {
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
    'CHARACTER SET binary',
    "FIELDS TERMINATED BY '\\t' ENCLOSED BY '' ESCAPED BY '\\\\' LINES STARTING BY '' TERMINATED BY '\\n'",
    `(${fields.join(', ')})`,
    ...(assignments.length > 0 ? [`SET ${assignments.join(', ')}`] : []),
  ].join(' ')
}

function autoIncrementColumn(table: DumpTable): string | undefined {
  return splitCreateTable(table.create).definitions.find((definition) => definition.autoIncrement)?.name
}

/** The columns of a row in the data files, in order. */
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
