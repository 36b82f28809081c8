import type { ReplayEvent } from './log-replay-events.ts'
import { queryFixedBytes } from './log-replay-query.ts'
import type { SqlDialect } from './sql-tokenizer.ts'

/** Lengths of the values of status variables, by code; a first byte that counts is part of the value. */
const fixedStatusBytes: Readonly<Record<number, number>> = {
  0: 4,
  1: 8,
  3: 4,
  4: 6,
  7: 2,
  8: 2,
  9: 8,
  10: 4,
  13: 3,
  16: 1,
  17: 8,
  18: 2,
  19: 1,
  20: 1,
}
const mariadbStatusBytes: Readonly<Record<number, number>> = { 128: 3, 129: 8 }
/** More updated schemas than are listed. */
const tooManySchemas = 254

/** Bytes of the value of a status variable behind its code. Sources: MySQL "Query_event"; MariaDB "QUERY_EVENT". `undefined` for one that is not known. */
export function statusBytes(code: number, status: Buffer, at: number, mariadb: boolean): number | undefined {
  const fixed = code >= 128 ? (mariadb ? mariadbStatusBytes[code] : undefined) : fixedStatusBytes[code]
  if (fixed !== undefined) return fixed
  const count = status[at] ?? 0
  if (code === 2) return count + 2
  // Flags of a half of an ALTER, with the number of its beginning where it is the second one.
  if (code === 130) return mariadb ? 1 + ((count & 12) === 0 ? 0 : 8) : undefined
  if (code === 5 || code === 6) return count + 1
  if (code === 11) return 2 + count + (status[at + 1 + count] ?? 0)
  if (code !== 12) return undefined
  let end = at + 1
  for (let left = count === tooManySchemas ? 0 : count; left > 0; left--) {
    const zero = status.indexOf(0, end)
    if (zero < 0) return undefined
    end = zero + 1
  }
  return end - at
}

const sqlModeCode = 1
/** Bits of `sql_mode`, the same in all releases of both. Source: MySQL "Query_event", Q_SQL_MODE_CODE; combinations such as ANSI set them too. */
const ansiQuotes = 1n << 2n
const noBackslashEscapes = 1n << 20n

/** How the statement of a QUERY is read: under the `sql_mode` that was logged with it. */
export function loggedDialect({ body, fixedBytes }: Pick<ReplayEvent, 'body' | 'fixedBytes'>): SqlDialect {
  const status = fixedBytes < queryFixedBytes ? Buffer.alloc(0) : body.subarray(fixedBytes, fixedBytes + body.readUInt16LE(11))
  for (let at = 0; at < status.length; ) {
    const bytes = statusBytes(status[at] ?? 0, status, at + 1, true)
    if (bytes === undefined || at + 1 + bytes > status.length) break
    if (status[at] === sqlModeCode) {
      const mode = status.readBigUInt64LE(at + 1)
      return { ansiQuotes: (mode & ansiQuotes) !== 0n, noBackslashEscapes: (mode & noBackslashEscapes) !== 0n }
    }
    at += 1 + bytes
  }
  return {}
}
