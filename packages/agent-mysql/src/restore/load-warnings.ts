import type { DumpColumn, DumpTable } from '../dump-layout.ts'
import type { ServerRow } from '../mysql-rows.ts'
import { dataColumns, splitFields } from './load-statement.ts'
import { rowLines } from './row-lines.ts'

/** The most warnings that a server lists of one statement (MySQL 8.4 and MariaDB manuals, "max_error_count"). */
export const mostWarnings = 65_535

/** WARN_DATA_TRUNCATED. */
const truncated = '1265'
/** ER_TRUNCATED_WRONG_VALUE. */
const wrongValue = '1292'

export interface LoadWarnings {
  /** Lines of SHOW WARNINGS. */
  readonly listed: readonly ServerRow[]
  /** How many the server says there were. */
  readonly count: number
  /** On the target. */
  readonly schema: string
  readonly table: DumpTable
  /** What was loaded: the text of the file, or its rows. */
  readonly rows: AsyncIterable<Buffer> | readonly (readonly (Buffer | undefined)[])[]
}

/**
 * Whether every warning is one that the very same rows caused in the source too, and nothing of a row was changed. `unlisted` when the
 * server has more warnings than it lists, so that nobody can tell. Two kinds are expected:
 *
 * - Warnings of a generated column: the server computes its value, and rounds or cuts it to the type; the file holds nothing of it.
 * - The value that an ENUM takes for a text it does not know, `''` with index 0: exactly as many as the rows hold empty texts in columns
 *   without such a member, or numbers 0 in columns that have one.
 */
export async function judgeWarnings(warnings: LoadWarnings): Promise<'expected' | 'unlisted' | 'refused'> {
  const { listed, count, table } = warnings
  if (!canWarn(table)) return 'refused'
  if (listed.length !== count || count >= mostWarnings) return count >= listed.length ? 'unlisted' : 'refused'
  const others = listed.filter((row) => !isOfGenerated(row, warnings))
  if (others.length === 0) return 'expected'
  const places = unknownEnumPlaces(table)
  const enums = new Set(places.map((place) => dataColumns(table)[place]))
  const ofEnums = others.every((row) => {
    const column = namedColumn(row, warnings)
    return row.at(1) === truncated && column !== undefined && enums.has(column)
  })
  if (!ofEnums) return 'refused'
  return (await emptyFields(places, table, warnings.rows)) === others.length ? 'expected' : 'refused'
}

/** Whether rows of this table may cause warnings although nothing is wrong. */
export function canWarn(table: DumpTable): boolean {
  return generatedCount(table) > 0 || unknownEnumPlaces(table).length > 0
}

/** How many rows go into one statement so that the server lists all their warnings; an expression may warn several times. */
export function listableRows(table: DumpTable): number {
  return canWarn(table)
    ? Math.max(1, Math.floor(mostWarnings / (8 * (generatedCount(table) + unknownEnumPlaces(table).length))))
    : Number.POSITIVE_INFINITY
}

function generatedCount(table: DumpTable): number {
  return table.columns.filter((column) => column.generated !== undefined).length
}

/** Places of the ENUM columns that may hold index 0: those without a member `''`, and those that are loaded by number. */
function unknownEnumPlaces(table: DumpTable): number[] {
  return dataColumns(table).flatMap((column, index) =>
    column.dataType === 'enum' && (column.load === 'bit' || !/[(,]''[,)]/.test(column.columnType)) ? [index] : [],
  )
}

function isOfGenerated(row: ServerRow, warnings: LoadWarnings): boolean {
  const { table } = warnings
  const column = namedColumn(row, warnings)
  if (column !== undefined) return column.generated !== undefined
  // No column is named where an expression takes a text for a number. Of ours only the one of BIT does such a thing.
  const ofExpression = row.at(1) === wrongValue && /^Truncated incorrect (INTEGER|DECIMAL|DOUBLE) value: '/.test(row.at(2) ?? '')
  return ofExpression && generatedCount(table) > 0 && dataColumns(table).every((one) => one.load !== 'bit')
}

/** The column that a warning names; `undefined` when it names none, or when a name is such that it could be another one. */
function namedColumn(row: ServerRow, { schema, table }: LoadWarnings): DumpColumn | undefined {
  const text = /^(.*) at row \d+$/s.exec(row.at(2) ?? '')?.[1]
  if (text === undefined) return undefined
  const columns = [...new Map([...dataColumns(table), ...table.columns].map((column) => [column.name, column])).values()]
  const named = columns.filter(
    ({ name }) =>
      /^(Data truncated|Data too long|Out of range value)$/.test(before(text, ` for column '${name}'`) ?? '') ||
      /^Incorrect .* value: '/s.test(before(text, ` for column \`${schema}\`.\`${table.name}\`.\`${name}\``) ?? ''),
  )
  return named.length === 1 ? named[0] : undefined
}

/** Names are compared without case: a server may keep them in lower case. */
function before(text: string, ending: string): string | undefined {
  return text.toLowerCase().endsWith(ending.toLowerCase()) ? text.slice(0, text.length - ending.length) : undefined
}

async function emptyFields(places: readonly number[], table: DumpTable, rows: LoadWarnings['rows']): Promise<number> {
  const columns = dataColumns(table)
  const unknown = new Map(places.map((place) => [place, columns[place]?.load === 'bit' ? '0' : '']))
  let empty = 0
  for await (const row of Symbol.asyncIterator in rows ? fieldsOf(rows) : rows) {
    for (const [place, text] of unknown) if (row[place]?.toString('latin1') === text) empty++
  }
  return empty
}

async function* fieldsOf(content: AsyncIterable<Buffer>): AsyncGenerator<readonly (Buffer | undefined)[]> {
  for await (const line of rowLines(content)) yield splitFields(line)
}
