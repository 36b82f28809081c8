/**
 * A time of a tree (RFC 3339, with up to nine digits of a second) as `utimes` of Node takes it, to a microsecond: seconds since 1970,
 * or a Date before that, where Node takes no number. `undefined` for what is no such time.
 */
export function fileTime(text: string | undefined): number | Date | undefined {
  const found = /^(.*T\d{2}:\d{2}:\d{2})(\.\d+)?(.*)$/.exec(text ?? '')
  if (found === null) return undefined
  const [, upToSecond = '', fraction = '', offset = ''] = found
  const milliseconds = Date.parse(upToSecond + offset)
  if (Number.isNaN(milliseconds)) return undefined
  if (milliseconds < 0) return new Date(milliseconds + Math.round(Number(fraction) * 1000))
  return milliseconds / 1000 + Number(fraction)
}
