import { BackupError } from '../errors/backup-error.ts'
import type { BucketRule } from './retention-rules.ts'

type CalendarRule = Exclude<BucketRule, 'keepLast'>

/** Names the hour, day, week, month or year that a moment lies in: two moments have the same name when they lie in the same one. */
export interface Calendar {
  nameOf(rule: CalendarRule, milliseconds: number): string
}

/**
 * @param timeZone an IANA name; UTC when left out
 * Throws `INVALID_INPUT` for a zone that is not known.
 */
export function calendarOf(timeZone = 'UTC'): Calendar {
  const offsetAt = offsets(timeZone)
  return {
    nameOf(rule, milliseconds) {
      const offset = offsetAt(milliseconds)
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

function offsets(timeZone: string): (milliseconds: number) => number {
  if (timeZone === 'UTC') return () => 0
  const format = formatOf(timeZone)
  return (milliseconds) => {
    const fields = Object.fromEntries(format.formatToParts(milliseconds).map(({ type, value }) => [type, Number(value)]))
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = fields
    const whole = Math.floor(milliseconds / 1000) * 1000
    return Date.UTC(year, month - 1, day, hour, minute, second) - whole
  }
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
  } catch (cause) {
    throw new BackupError(`there is no time zone ${JSON.stringify(timeZone)}`, {
      code: 'INVALID_INPUT',
      hint: 'Use a name of the IANA database, such as Europe/Paris or UTC.',
      cause,
    })
  }
}

function offsetText(offset: number): string {
  if (offset === 0) return 'Z'
  const minutes = Math.round(Math.abs(offset) / 60_000)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}
