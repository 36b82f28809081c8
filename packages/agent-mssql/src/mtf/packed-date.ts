/**
 * A moment as the clock of the server showed it, `2019-05-02T21:00:55`: without time zone, to the second. The set of the backup says how far it was
 * from UTC, where the server said so.
 */
export type LocalTime = string

export const packedDateBytes = 5

/**
 * Five bytes: year in 14 bits, month 4, day 5, hour 5, minute 6, second 6. `undefined` where none is set or it is no date.
 * Source: "Microsoft Tape Format Specification" 1.00a, MTF_DATE_TIME.
 */
export function readPackedDate(bytes: Buffer, offset: number): LocalTime | undefined {
  const packed = bytes.readUIntBE(offset, packedDateBytes)
  if (packed === 0) return undefined
  const bits = (shift: number, width: number): number => Math.floor(packed / 2 ** shift) % 2 ** width
  const [year, month, day, hour, minute, second] = [bits(26, 14), bits(22, 4), bits(17, 5), bits(12, 5), bits(6, 6), bits(0, 6)]
  const text = `${padded(year, 4)}-${padded(month, 2)}-${padded(day, 2)}T${padded(hour, 2)}:${padded(minute, 2)}:${padded(second, 2)}`
  const asUtc = new Date(`${text}Z`)
  return Number.isNaN(asUtc.getTime()) || asUtc.toISOString().slice(0, 19) !== text ? undefined : text
}

function padded(number: number, digits: number): string {
  return String(number).padStart(digits, '0')
}
