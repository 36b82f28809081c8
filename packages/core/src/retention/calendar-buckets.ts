import { timeZone } from '../time/time-zone.ts'
import type { BucketRule } from './retention-rules.ts'

type CalendarRule = Exclude<BucketRule, 'keepLast'>

/** Names the hour, day, week, month or year that a moment lies in: two moments have the same name when they lie in the same one. */
export interface Calendar {
  nameOf(rule: CalendarRule, milliseconds: number): string
}

/**
 * @param zone an IANA name; UTC when left out
 * Throws `INVALID_SETTINGS` for a zone that is not known.
 */
export function calendarOf(zone = 'UTC'): Calendar {
  const { stretchAt } = timeZone(zone)
  return {
    nameOf(rule, milliseconds) {
      const { offset } = stretchAt(milliseconds)
      const local = new Date(milliseconds + offset)
      // Where a clock shows an hour twice, these are two hours.
      return rule === 'keepHourly' ? `${local.toISOString().slice(0, 13).replace('T', ' ')}:00${offsetText(offset)}` : dateName(rule, local)
    },
  }
}

function dateName(rule: Exclude<CalendarRule, 'keepHourly'>, local: Date): string {
  if (rule === 'keepWeekly') return weekName(local)
  const date = local.toISOString().slice(0, 10)
  return rule === 'keepDaily' ? date : rule === 'keepMonthly' ? date.slice(0, 7) : date.slice(0, 4)
}

/** ISO 8601: a week belongs to the year in which its Thursday is. */
function weekName(local: Date): string {
  const day = 86_400_000
  const sinceMonday = (local.getUTCDay() + 6) % 7
  const thursday = new Date(local.getTime() + (3 - sinceMonday) * day)
  const year = thursday.getUTCFullYear()
  const week = Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / day / 7) + 1
  return `${year}-W${String(week).padStart(2, '0')}`
}

function offsetText(offset: number): string {
  if (offset === 0) return 'Z'
  const minutes = Math.round(Math.abs(offset) / 60_000)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}
