import { BackupError } from '@backup-planet/core'

/**
 * One row of an answer, read by column name in any case. Values are UTF-8 text; numbers stay text until asked for. Asking for one that is no UTF-8
 * throws `UNSUPPORTED`: a definition that came back with other bytes would be another definition.
 */
export interface ServerRow {
  has(column: string): boolean
  /** Throws `ACCESS_DENIED` for NULL: the server prints NULL for what the account may not see. */
  text(column: string): string
  nullable(column: string): string | undefined
  /** A number that fits; throws a `RangeError` otherwise. NULL is 0. */
  number(column: string): number
  /** Column by place, for answers whose column names differ between versions. */
  at(index: number): string | undefined
  /** As the server sent it, for texts that may hold bytes of several character sets. */
  bytes(index: number): Uint8Array | undefined
  readonly columns: readonly string[]
}

/** @param names lower-case column names */
export function serverRow(names: readonly string[], values: unknown, during: string): ServerRow {
  const found: readonly unknown[] = Array.isArray(values) ? values : []
  const at = (index: number): string | undefined => valueText(found[index], names[index] ?? '', during)
  const nullable = (column: string): string | undefined => {
    const index = names.indexOf(column.toLowerCase())
    if (index < 0) throw new TypeError(`no column ${column} in the answer to ${during}, only ${names.join(', ')}`)
    return at(index)
  }
  return {
    columns: names,
    has: (column) => names.includes(column.toLowerCase()),
    nullable,
    at,
    bytes: (index) => valueBytes(found[index]),
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

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function valueText(value: unknown, column: string, during: string): string | undefined {
  if (value === null || value === undefined) return undefined
  return value instanceof Uint8Array ? utf8Text(value, `${during}: ${column}`) : String(value)
}

function valueBytes(value: unknown): Uint8Array | undefined {
  if (value === null || value === undefined) return undefined
  return value instanceof Uint8Array ? value : Buffer.from(String(value))
}

/** Throws `UNSUPPORTED` for bytes that are no UTF-8; `what` goes into the message. */
export function utf8Text(bytes: Uint8Array, what: string): string {
  try {
    return decoder.decode(bytes)
  } catch (error) {
    throw new BackupError(`${what} holds bytes that are no UTF-8`, {
      code: 'UNSUPPORTED',
      hint: "Create it anew with its text in the character set that its session says, such as SET NAMES utf8mb4, and other bytes written as x'…'.",
      cause: error,
    })
  }
}
