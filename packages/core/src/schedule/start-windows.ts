import { dayMilliseconds, type TimeZone } from '../time/time-zone.ts'
import { type ScheduleTask, type StartWindow, weekdays } from './schedule-policy.ts'

const weekMilliseconds = 7 * dayMilliseconds
/** 1970-01-01 was a Thursday; here the week begins with the Sunday before. */
const weekBegan = -4 * dayMilliseconds

/** From when to when in a week that begins with Sunday, in milliseconds on the wall. Not past the end of the week: such a window is two of them. */
interface WeekSpan {
  readonly from: number
  readonly to: number
}

/** When something may start. Moments are milliseconds since 1970. */
export interface StartTimes {
  /** The first moment at or after `moment` at which it may. */
  opensAt(moment: number): number
}

const always: StartTimes = { opensAt: (moment) => moment }

/** When a task may start by the windows that are for it. Times that a change of the clocks skips are in no window; those that come twice are in it twice. */
export function startTimes(task: ScheduleTask, windows: readonly StartWindow[], zone: TimeZone): StartTimes {
  const spans = windows.filter(({ tasks }) => tasks === undefined || tasks.includes(task)).flatMap(spansOf)
  if (spans.length === 0) return always
  return {
    opensAt(moment) {
      // A window may be skipped with the hour that it is in; a year later it is not.
      for (let stretch = zone.stretchAt(moment); ; stretch = zone.after(stretch)) {
        const from = Math.max(moment, stretch.from)
        const opens = opensOnWall(spans, from + stretch.offset) - stretch.offset
        if (opens < stretch.to) return opens
      }
    },
  }
}

/** `HH:MM` as minutes since midnight; `undefined` for what is no time of a day, which 24:00 is. */
export function minuteOfDay(text: string): number | undefined {
  const [, hour, minute] = /^(\d{1,2}):(\d{2})$/.exec(text) ?? []
  const minutes = Number(hour) * 60 + Number(minute)
  return Number(minute) < 60 && minutes <= 1440 ? minutes : undefined
}

function opensOnWall(spans: readonly WeekSpan[], wall: number): number {
  const inWeek = (((wall - weekBegan) % weekMilliseconds) + weekMilliseconds) % weekMilliseconds
  const week = wall - inWeek
  let first = Number.POSITIVE_INFINITY
  for (const { from, to } of spans) {
    if (inWeek >= from && inWeek < to) return wall
    first = Math.min(first, from > inWeek ? week + from : week + weekMilliseconds + from)
  }
  return first
}

function spansOf({ days, from, to }: StartWindow): WeekSpan[] {
  const begin = (minuteOfDay(from) ?? 0) * 60_000
  const until = (minuteOfDay(to) ?? 0) * 60_000
  const end = until > begin ? until : until + dayMilliseconds
  return (days ?? weekdays).flatMap((day) => {
    const midnight = weekdays.indexOf(day) * dayMilliseconds
    const span = { from: midnight + begin, to: midnight + end }
    return span.to <= weekMilliseconds
      ? [span]
      : [
          { from: span.from, to: weekMilliseconds },
          { from: 0, to: span.to - weekMilliseconds },
        ]
  })
}
