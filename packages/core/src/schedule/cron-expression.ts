import { Cron } from 'croner'
import { BackupError } from '../errors/backup-error.ts'
import { madeOnce } from '../time/made-once.ts'
import { dayMilliseconds } from '../time/time-zone.ts'

/** How far ahead a day is looked for; a 29th of February that is a Monday comes every 28 years, and over 2100 after 40. */
const yearsAhead = 60

/** A cron expression taken apart: the days it is for, and the times of such a day. */
export interface CronExpression {
  /** Ascending, as are the others. */
  readonly seconds: readonly number[]
  readonly minutes: readonly number[]
  readonly hours: readonly number[]
  /** Whether it is for every hour of its days: then it counts elapsed time rather than times of the day. */
  readonly everyHour: boolean
  /** Days since 1970-01-01 that it is for in a calendar year, ascending. */
  daysOf(year: number): readonly number[]
}

/**
 * Reads an expression of five or six fields. croner decides what each field means, without any time zone: what a zone does to it is decided in
 * `slot-times.ts`, since croner leaves out a day's slots that a change of the clocks skips unless there is just one of them, and loses seconds
 * around an hour that comes twice (Hexagon/croner#343).
 *
 * Throws `INVALID_SETTINGS` for what is no expression, and for one that never comes.
 */
export function parseCron(text: string): CronExpression {
  const fields = text.trim().split(/\s+/)
  if (fields.length !== 5 && fields.length !== 6) throw invalid(text, `it has ${fields.length} ${fields.length === 1 ? 'field' : 'fields'}`)
  const [second = '0', minute = '', hour = '', ...days] = fields.length === 6 ? fields : ['0', ...fields]
  const pattern = days.join(' ')
  let parts: Pick<CronExpression, 'seconds' | 'minutes' | 'hours'>
  try {
    parse(fields.join(' '))
    parts = {
      seconds: numbersOf(`${second} * * * * *`, 1000, 60),
      minutes: numbersOf(`0 ${minute} * * * *`, 60_000, 60),
      hours: numbersOf(`0 0 ${hour} * * *`, 3_600_000, 24),
    }
  } catch (error) {
    throw invalid(text, reasonOf(error), error)
  }
  const expression = { ...parts, everyHour: parts.hours.length === 24, daysOf: daysOf(pattern) }
  if (firstDay(expression, 0) === undefined) throw invalid(text, 'no day of the calendar is meant by it')
  return expression
}

/** The first day at or after `day` that the expression is for; `undefined` when there is none in 60 years. */
export function firstDay(expression: CronExpression, day: number): number | undefined {
  const year = yearOfDay(day)
  for (let ahead = 0; ahead <= yearsAhead; ahead++) {
    const days = expression.daysOf(year + ahead)
    const found = days[lowerBound(days, day)]
    if (found !== undefined) return found
  }
  return undefined
}

/** How many entries of an ascending list are below `value`. */
export function lowerBound(list: readonly number[], value: number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((list[middle] ?? 0) < value) low = middle + 1
    else high = middle
  }
  return low
}

let yearAsked = { from: 0, to: 365, year: 1970 }

export function yearOfDay(day: number): number {
  if (day < yearAsked.from || day >= yearAsked.to) {
    const year = new Date(day * dayMilliseconds).getUTCFullYear()
    yearAsked = { from: Date.UTC(year, 0, 1) / dayMilliseconds, to: Date.UTC(year + 1, 0, 1) / dayMilliseconds, year }
  }
  return yearAsked.year
}

/** Calendars are the same for all expressions with the same days. */
const calendars = new Map<string, Map<number, readonly number[]>>()

function daysOf(pattern: string): (year: number) => readonly number[] {
  const years = madeOnce(calendars, pattern, () => new Map<number, readonly number[]>())
  const cron = parse(`0 0 0 ${pattern}`)
  return (year) => madeOnce(years, year, () => (pattern === '* * *' ? everyDay(year) : daysBy(cron, year)))
}

function everyDay(year: number): readonly number[] {
  const first = Date.UTC(year, 0, 1) / dayMilliseconds
  return Array.from({ length: Date.UTC(year + 1, 0, 1) / dayMilliseconds - first }, (_, index) => first + index)
}

function daysBy(cron: Cron, year: number): readonly number[] {
  const days: number[] = []
  const end = Date.UTC(year + 1, 0, 1)
  let at: Date | null = new Date(Date.UTC(year, 0, 1) - 1000)
  for (;;) {
    at = cron.nextRun(at)
    if (at === null || at.getTime() >= end) return days
    days.push(at.getTime() / dayMilliseconds)
  }
}

/** The values of one field, which counts `unit` milliseconds, below `limit`. */
function numbersOf(pattern: string, unit: number, limit: number): readonly number[] {
  const cron = parse(pattern)
  const numbers: number[] = []
  let at: Date | null = new Date(-1000)
  for (;;) {
    at = cron.nextRun(at)
    if (at === null || at.getTime() >= unit * limit) return numbers
    numbers.push(at.getTime() / unit)
  }
}

function parse(pattern: string): Cron {
  return new Cron(pattern, { paused: true, utcOffset: 0, mode: '5-or-6-parts', allowPast: true })
}

function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message.replace(/^CronPattern: /, '') : String(error)
  return text.charAt(0).toLowerCase() + text.slice(1)
}

function invalid(text: string, why: string, cause?: unknown): BackupError {
  return new BackupError(`${JSON.stringify(text)} is no cron expression: ${why}`, {
    code: 'INVALID_SETTINGS',
    hint: 'Write five fields, minute, hour, day of the month, month and day of the week, such as "0 2 * * 0", or six with the second in front.',
    cause,
  })
}
