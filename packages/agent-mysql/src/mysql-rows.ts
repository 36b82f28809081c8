import { BackupError } from '@backup-planet/core'

/** One row of an answer, read by column name in any case. Values are UTF-8 text; numbers stay text until asked for. */
export interface ServerRow {
  has(column: string): boolean
  /** Throws `ACCESS_DENIED` for NULL: the server prints NULL for what the account may not see. */
  text(column: string): string
  nullable(column: string): string | undefined
  /** A number that fits; throws a `RangeError` otherwise. NULL is 0. */
  number(column: string): number
  /** Column by place, for answers whose column names differ between versions. */
  at(index: number): string | undefined
  readonly columns: readonly string[]
}

/** @param names lower-case column names */
export function serverRow(names: readonly string[], values: unknown, during: string): ServerRow {
  const texts: readonly (string | undefined)[] = Array.isArray(values) ? values.map(valueText) : []
  const nullable = (column: string): string | undefined => {
    const index = names.indexOf(column.toLowerCase())
    if (index < 0) throw new TypeError(`no column ${column} in the answer to ${during}, only ${names.join(', ')}`)
    return texts[index]
  }
  return {
    columns: names,
    has: (column) => names.includes(column.toLowerCase()),
    nullable,
    at: (index) => texts[index],
    text(column) {
      const text = nullable(column)
      if (text !== undefined) return text
      throw new BackupError(`the server shows no ${column} for ${during}`, {
        code: 'ACCESS_DENIED',
        hint: 'Run the check of this job: it names the missing rights and the exact GRANT statement.',
      })
    },
    number(column) {
      const number = Number(nullable(column) ?? '0')
      if (!Number.isFinite(number)) throw new RangeError(`${column} of ${during} is no number`)
      return number
    },
  }
}

function valueText(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined
  return Buffer.isBuffer(value) ? value.toString('utf8') : String(value)
}
