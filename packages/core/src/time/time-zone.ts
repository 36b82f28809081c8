import { BackupError } from '../errors/backup-error.ts'
import { madeOnce } from './made-once.ts'

export const dayMilliseconds = 86_400_000

/**
 * A stretch of time over which the clocks of a zone are not changed. All in milliseconds: moments since 1970 in UTC, and what is to be added
 * to them for what a clock on the wall shows. Cut at the turn of years too, where nothing changes.
 */
export interface ZoneStretch {
  readonly from: number
  readonly to: number
  readonly offset: number
  /** Before `from`. Greater than `offset` where the clocks were set back, less where they were set forward. */
  readonly before: number
}

export interface TimeZone {
  readonly name: string
  stretchAt(moment: number): ZoneStretch
  /** The stretch that begins where this one ends. */
  after(stretch: ZoneStretch): ZoneStretch
}

const zones = new Map<string, TimeZone>()

/** By the time zone database of the JavaScript engine. Throws `INVALID_SETTINGS` for a name that is not in it. */
export function timeZone(name: string): TimeZone {
  return madeOnce(zones, name, () => createTimeZone(name))
}

export function isTimeZone(name: string): boolean {
  try {
    timeZone(name)
    return true
  } catch (error) {
    if (BackupError.is(error)) return false
    throw error
  }
}

function createTimeZone(name: string): TimeZone {
  const offsetAt = offsets(name)
  const years = new Map<number, readonly ZoneStretch[]>()
  const stretchesOf = (year: number) => madeOnce(years, year, () => findStretches(year, offsetAt))
  let latest: ZoneStretch | undefined
  const stretchAt = (moment: number): ZoneStretch => {
    if (latest !== undefined && moment >= latest.from && moment < latest.to) return latest
    const found = stretchesOf(new Date(moment).getUTCFullYear()).find(({ to }) => moment < to)
    if (found === undefined) throw new RangeError(`no stretch of ${name} at ${moment}`)
    latest = found
    return found
  }
  return { name, stretchAt, after: ({ to }) => stretchAt(to) }
}

/** Clocks are not changed twice within a day, so one look a day finds every change. */
function findStretches(year: number, offsetAt: (moment: number) => number): readonly ZoneStretch[] {
  const begin = Date.UTC(year, 0, 1)
  const end = Date.UTC(year + 1, 0, 1)
  const stretches: ZoneStretch[] = []
  let from = begin
  let before = offsetAt(begin - 1000)
  let offset = offsetAt(begin)
  for (let day = begin; day < end; day += dayMilliseconds) {
    const last = Math.min(day + dayMilliseconds, end - 1000)
    const next = offsetAt(last)
    if (next === offset) continue
    const change = firstMomentWith(next, day, last, offsetAt)
    stretches.push({ from, to: change, offset, before })
    from = change
    before = offset
    offset = next
  }
  return [...stretches, { from, to: end, offset, before }]
}

/** To the second, as finely as zones are defined. */
function firstMomentWith(offset: number, from: number, to: number, offsetAt: (moment: number) => number): number {
  let low = from / 1000
  let high = to / 1000
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetAt(middle * 1000) === offset) high = middle
    else low = middle
  }
  return high * 1000
}

function offsets(name: string): (moment: number) => number {
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' })
  } catch (error) {
    throw new BackupError(`there is no time zone ${JSON.stringify(name)}`, {
      code: 'INVALID_SETTINGS',
      hint: 'Use a name of the time zone database such as Europe/Paris, America/New_York or UTC.',
      cause: error,
    })
  }
  return (moment) => {
    const text = format.formatToParts(moment).find(({ type }) => type === 'timeZoneName')?.value ?? ''
    const [, sign, hours = '0', minutes = '0', seconds = '0'] = /GMT([+-])(\d+):(\d+)(?::(\d+))?/.exec(text) ?? []
    return (sign === '-' ? -1000 : 1000) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
  }
}
