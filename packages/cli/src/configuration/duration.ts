const unitMilliseconds = [
  ['w', 604_800_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const

/** Milliseconds of a duration such as `15m`, `1h30m` or `250ms`, largest unit first; `undefined` when it is none. */
export function parseDuration(text: string): number | undefined {
  const parts = /^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(text.replaceAll(' ', ''))
  if (parts === null || parts[0] === '') return undefined
  const milliseconds = unitMilliseconds.reduce((sum, [, factor], index) => sum + Number(parts[index + 1] ?? 0) * factor, 0)
  return Number.isSafeInteger(milliseconds) ? milliseconds : undefined
}

/** The shortest text that `parseDuration` reads back as exactly `milliseconds`. */
export function printDuration(milliseconds: number): string {
  let rest = milliseconds
  let text = ''
  for (const [unit, factor] of unitMilliseconds) {
    const count = Math.floor(rest / factor)
    rest -= count * factor
    if (count > 0) text += `${count}${unit}`
  }
  return text === '' ? '0s' : text
}

/** Rounded for people to its two largest units: `2d4h`, `3m10s`, `5s`. */
export function describeDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000)) * 1000
  const units = unitMilliseconds.filter(([unit]) => unit !== 'w' && unit !== 'ms')
  const first = units.findIndex(([, factor]) => seconds >= factor)
  const smallest = first < 0 ? undefined : units[Math.min(first + 1, units.length - 1)]
  return smallest === undefined ? '0s' : printDays(Math.floor(seconds / smallest[1]) * smallest[1])
}

function printDays(milliseconds: number): string {
  const days = Math.floor(milliseconds / 86_400_000)
  const rest = printDuration(milliseconds % 86_400_000)
  return days === 0 ? rest : `${days}d${rest === '0s' ? '' : rest}`
}
