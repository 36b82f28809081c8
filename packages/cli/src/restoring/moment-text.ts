import { UsageError } from '../usage-error.ts'

export interface Moment {
  /** ISO 8601 in UTC, with milliseconds. */
  readonly at: string
  /** It was written to the second: so tables show the times of backups. */
  readonly toTheSecond: boolean
}

const form = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2})?(\.\d{1,3})?\s*(Z|[+-]\d{2}:?\d{2})?$/i

/** A moment with its zone. Throws a `UsageError` for what is none, and for one without a zone: an hour beside it is another state. */
export function parseMoment(text: string): Moment {
  const [, date = '', minutes = '', seconds = ':00', fraction = '', zone] = form.exec(text.trim()) ?? []
  const parsed = Date.parse(`${date}T${minutes}${seconds}${fraction}${zone === undefined ? 'Z' : colonIn(zone)}`)
  const day = new Date(`${date}T00:00:00Z`)
  if (Number.isNaN(parsed) || Number.isNaN(day.getTime()) || !day.toISOString().startsWith(date)) {
    throw new UsageError(
      `${JSON.stringify(text)} is no time`,
      'Write it like 2026-07-24T02:00:00Z, which is UTC, or 2026-07-24T04:00:00+02:00.',
    )
  }
  if (zone === undefined) {
    throw new UsageError(
      `${JSON.stringify(text)} does not say in which zone`,
      `Write ${date}T${minutes}${seconds}${fraction}Z for UTC, in which all times are printed here, or put the zone behind it, such as +02:00.`,
    )
  }
  return { at: new Date(parsed).toISOString(), toTheSecond: fraction === '' }
}

function colonIn(zone: string): string {
  return zone.replace(/^([+-]\d{2})(\d{2})$/, '$1:$2')
}
