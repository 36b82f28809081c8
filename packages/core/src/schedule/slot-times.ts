import { madeOnce } from '../time/made-once.ts'
import { dayMilliseconds, type TimeZone, type ZoneStretch } from '../time/time-zone.ts'
import { type CronExpression, firstDay, lowerBound, yearOfDay } from './cron-expression.ts'

/** The slots of a cron expression in a time zone, as milliseconds since 1970. */
export interface SlotTimes {
  /** The first one after `moment`; `undefined` when there is none any more. */
  next(moment: number): number | undefined
  /** The last one after `after` and no later than `until`. */
  last(after: number, until: number): number | undefined
  /** How many there are after `after` and no later than `until`. */
  count(after: number, until: number): number
}

/**
 * - A time of the day that is skipped when clocks are set forward: its slot is the moment after the skipped time. All that are skipped make one slot.
 * - A time of the day that comes twice when clocks are set back: its slot is the first. Both are slots of an expression whose times are no further apart there than
 *   the clocks are set back, such as every quarter of the hours from 1 to 23: nothing is left out for longer than it would be on another day.
 * - An expression for every hour counts elapsed time: nothing of it is skipped or left out, since no time passes twice or not at all.
 */
export function slotTimes(expression: CronExpression, zone: TimeZone): SlotTimes {
  const times = timesOfDay(expression)
  const wall = {
    first: (from: number) => firstWall(expression, times, from),
    count: (from: number, to: number) => countWall(expression, times, from, to),
  }

  /** Whether two times follow each other over `end`, the end of what comes twice on the wall, within as long as that is. */
  const goesOnOver = (end: number, twice: number): boolean => {
    const next = wall.first(end)
    return next !== undefined && (wall.first(next - twice) ?? end) < end
  }

  const begins = new WeakMap<ZoneStretch, StretchBegin>()
  const beginOf = (stretch: ZoneStretch): StretchBegin =>
    madeOnce(begins, stretch, () => {
      const { from, offset, before } = stretch
      if (expression.everyHour || before === offset) return { begin: from + offset, skipped: false }
      if (before > offset) return { begin: goesOnOver(from + before, before - offset) ? from + offset : from + before, skipped: false }
      const atEnd = wall.first(from + offset) === from + offset
      return { begin: from + offset, skipped: !atEnd && wall.count(from + before, from + offset) > 0 }
    })

  const next = (moment: number): number | undefined => {
    let stretch = zone.stretchAt(moment)
    let from = moment + 1
    for (;;) {
      const { begin, skipped } = beginOf(stretch)
      if (skipped && stretch.from >= from) return stretch.from
      const found = wall.first(Math.max(from + stretch.offset, begin))
      if (found === undefined) return undefined
      if (found - stretch.offset < stretch.to) return found - stretch.offset
      from = stretch.to
      // Nothing is on the wall before `found`, except what is skipped or comes again within two days of it.
      const ahead = found - stretch.offset - 2 * dayMilliseconds
      stretch = ahead > stretch.to ? zone.stretchAt(ahead) : zone.after(stretch)
      from = Math.max(from, stretch.from)
    }
  }

  const count = (after: number, until: number): number => {
    let total = 0
    for (let stretch = zone.stretchAt(after); stretch.from <= until; stretch = zone.after(stretch)) {
      const { begin, skipped } = beginOf(stretch)
      if (skipped && stretch.from > after && stretch.from <= until) total++
      const from = Math.max(after + 1 + stretch.offset, begin)
      const to = Math.min(until + 1, stretch.to) + stretch.offset
      if (from < to) total += wall.count(from, to)
    }
    return total
  }

  const last = (after: number, until: number): number | undefined => {
    for (let back = 1000; ; back *= 8) {
      let found = next(Math.max(after, until - back))
      if (found !== undefined && found <= until) {
        for (let later = next(found); later !== undefined && later <= until; later = next(later)) found = later
        return found
      }
      if (until - back <= after) return undefined
    }
  }

  return { next: remembered(next), last, count }
}

/** Where the times on the wall begin in a stretch that count there, and whether a slot stands for those that were skipped before it. */
interface StretchBegin {
  readonly begin: number
  readonly skipped: boolean
}

/** What is asked again and again while nothing happens. */
function remembered(next: (moment: number) => number | undefined): (moment: number) => number | undefined {
  let asked = [Number.NaN, Number.NaN]
  let answers: (number | undefined)[] = []
  return (moment) => {
    if (moment === asked[0]) return answers[0]
    if (moment === asked[1]) return answers[1]
    const answer = next(moment)
    asked = [moment, asked[0] ?? Number.NaN]
    answers = [answer, answers[0]]
    return answer
  }
}

/** The times of a day that an expression is for, in seconds since midnight on the wall. */
interface TimesOfDay {
  readonly perDay: number
  /** The first at or after; `undefined` when the day has none any more. */
  first(second: number): number | undefined
  /** How many are before. */
  before(second: number): number
}

function timesOfDay({ seconds, minutes, hours }: CronExpression): TimesOfDay {
  const perMinute = seconds.length
  const perHour = perMinute * minutes.length
  const firstSecond = seconds[0] ?? 0
  const firstMinute = minutes[0] ?? 0
  const at = (list: readonly number[], value: number) => list[lowerBound(list, value)]
  return {
    perDay: perHour * hours.length,
    first(time) {
      const hour = Math.floor(time / 3600)
      const minute = Math.floor(time / 60) % 60
      const second = time % 60
      const inHour = at(hours, hour)
      if (inHour === hour) {
        const inMinute = at(minutes, minute)
        if (inMinute === minute) {
          const inSecond = at(seconds, second)
          if (inSecond !== undefined) return hour * 3600 + minute * 60 + inSecond
        }
        const laterMinute = at(minutes, minute + 1)
        if (laterMinute !== undefined) return hour * 3600 + laterMinute * 60 + firstSecond
      }
      const laterHour = at(hours, hour + 1)
      const chosen = inHour === hour ? laterHour : inHour
      return chosen === undefined ? undefined : chosen * 3600 + firstMinute * 60 + firstSecond
    },
    before(time) {
      const hour = Math.floor(time / 3600)
      const minute = Math.floor(time / 60) % 60
      const second = time % 60
      const whole = lowerBound(hours, hour) * perHour
      if (at(hours, hour) !== hour) return whole
      const inHour = whole + lowerBound(minutes, minute) * perMinute
      return at(minutes, minute) === minute ? inHour + lowerBound(seconds, second) : inHour
    },
  }
}

/** The first time on the wall at or after `from`, as milliseconds of a clock that is never changed. */
function firstWall(expression: CronExpression, times: TimesOfDay, from: number): number | undefined {
  const second = Math.ceil(from / 1000)
  const day = Math.floor(second / 86_400)
  const found = firstDay(expression, day)
  if (found === day) {
    const time = times.first(second - day * 86_400)
    if (time !== undefined) return day * dayMilliseconds + time * 1000
  }
  const later = found === day ? firstDay(expression, day + 1) : found
  return later === undefined ? undefined : later * dayMilliseconds + (times.first(0) ?? 0) * 1000
}

/** How many times on the wall there are at or after `from` and before `to`. */
function countWall(expression: CronExpression, times: TimesOfDay, from: number, to: number): number {
  const [first, last] = [Math.ceil(from / 1000), Math.ceil(to / 1000)]
  const [firstOfDay, lastOfDay] = [Math.floor(first / 86_400), Math.floor(last / 86_400)]
  let days = 0
  for (let year = yearOfDay(firstOfDay); year <= yearOfDay(lastOfDay); year++) {
    const list = expression.daysOf(year)
    days += lowerBound(list, lastOfDay) - lowerBound(list, firstOfDay)
  }
  const isOn = (day: number) => {
    const list = expression.daysOf(yearOfDay(day))
    return list[lowerBound(list, day)] === day
  }
  const beforeFirst = isOn(firstOfDay) ? times.before(first - firstOfDay * 86_400) : 0
  const beforeLast = isOn(lastOfDay) ? times.before(last - lastOfDay * 86_400) : 0
  return days * times.perDay - beforeFirst + beforeLast
}
