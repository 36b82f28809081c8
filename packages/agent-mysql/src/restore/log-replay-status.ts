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
