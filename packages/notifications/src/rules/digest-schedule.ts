import { type TimeZone, timeZone } from '@backup-planet/core'

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
 * it is as much later as that; where one that is put back shows it twice, it is one of the two. Throws `INVALID_SETTINGS` for a zone that is not known.
 */
export function nextDigest(schedule: DigestSchedule, after: number): number {
  const [hour = 0, minute = 0] = schedule.at.split(':').map(Number)
  const { stretchAt } = timeZone(schedule.timezone)
  const local = new Date(after + stretchAt(after).offset)
  const midnight = Date.UTC(local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate())
  for (let days = -1; ; days++) {
    const wall = midnight + days * dayMs + (hour * 60 + minute) * 60_000
    const weekday = weekdays[(new Date(wall).getUTCDay() + 6) % 7]
    if (schedule.every === 'weekly' && weekday !== schedule.day) continue
    const moment = momentOf(wall, stretchAt)
    if (moment > after) return moment
  }
}

/** The moment at which a clock shows `wall`, which is written as if it were UTC: by what the clock was ahead before, else by what it is afterwards. */
function momentOf(wall: number, stretchAt: TimeZone['stretchAt']): number {
  const [before, after] = [stretchAt(wall - dayMs).offset, stretchAt(wall + dayMs).offset]
  const isShown = (offset: number) => stretchAt(wall - offset).offset === offset
  return wall - (!isShown(before) && isShown(after) ? after : before)
}
