export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

export interface DigestSchedule {
  readonly every: 'daily' | 'weekly'
  /** `HH:MM` on the clock of the zone. */
  readonly at: string
  /** Of weekly ones. */
  readonly day: (typeof weekdays)[number]
  /** Such as `Europe/Paris`. */
  readonly timezone: string
}

const dayMs = 86_400_000

/**
 * The first moment after `after` at which a digest is due, milliseconds since 1970. Where a clock that is put forward leaves the time out
 * it is as much later as that; where one that is put back shows it twice, it is one of the two.
 */
export function nextDigest(schedule: DigestSchedule, after: number): number {
  const [hour = 0, minute = 0] = schedule.at.split(':').map(Number)
  const clock = clockOf(schedule.timezone)
  const local = new Date(after + offsetAt(after, clock))
  const midnight = Date.UTC(local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate())
  for (let days = -1; ; days++) {
    const wall = midnight + days * dayMs + (hour * 60 + minute) * 60_000
    const weekday = weekdays[(new Date(wall).getUTCDay() + 6) % 7]
    if (schedule.every === 'weekly' && weekday !== schedule.day) continue
    const moment = momentOf(wall, clock)
    if (moment > after) return moment
  }
}

/** The moment at which a clock shows `wall`, which is written as if it were UTC: by what the clock was ahead before, else by what it is afterwards. */
function momentOf(wall: number, clock: Clock): number {
  const [before, after] = [offsetAt(wall - dayMs, clock), offsetAt(wall + dayMs, clock)]
  const isShown = (offset: number) => offsetAt(wall - offset, clock) === offset
  return wall - (!isShown(before) && isShown(after) ? after : before)
}

/** How far a clock is ahead of UTC at a moment, in milliseconds. */
function offsetAt(moment: number, clock: Clock): number {
  const parts = clock.formatToParts(moment)
  const part = (type: Intl.DateTimeFormatPartTypes) => Number(parts.find((candidate) => candidate.type === type)?.value)
  const wall = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'))
  return wall - Math.floor(moment / 1000) * 1000
}

type Clock = Intl.DateTimeFormat

function clockOf(timeZone: string): Clock {
  const [year, month, day, hour, minute, second] = Array.from({ length: 6 }, () => 'numeric' as const)
  return new Intl.DateTimeFormat('en-US', { timeZone, hourCycle: 'h23', year, month, day, hour, minute, second })
}
