import { describe, expect, test } from 'vitest'
import { calendarOf } from './calendar-buckets.ts'

const at = (text: string) => Date.parse(text)

test.each(['Mars/Olympus', '', 'Europe/Paris '])('the zone %j is refused', (zone) => {
  expect(() => calendarOf(zone)).toThrow(
    expect.objectContaining({ code: 'INVALID_SETTINGS', hint: expect.stringContaining('Europe/Paris') }),
  )
})

describe('weeks begin on Monday and belong to the year of their Thursday', () => {
  test.each([
    ['2026-03-01T23:59:59Z', '2026-W09'],
    ['2026-03-02T00:00:00Z', '2026-W10'],
    ['2020-12-31T12:00:00Z', '2020-W53'],
    ['2021-01-03T12:00:00Z', '2020-W53'],
    ['2021-01-04T00:00:00Z', '2021-W01'],
    ['2024-12-30T00:00:00Z', '2025-W01'],
    ['2024-02-29T00:00:00Z', '2024-W09'],
  ])('%s is in %s', (text, week) => {
    expect(calendarOf().nameOf('keepWeekly', at(text))).toBe(week)
  })
})

test('each rule names what it counts', () => {
  const { nameOf } = calendarOf()
  const names = (['keepHourly', 'keepDaily', 'keepMonthly', 'keepYearly'] as const).map((rule) =>
    nameOf(rule, at('2026-03-01T02:59:59.999Z')),
  )
  expect(names).toEqual(['2026-03-01 02:00Z', '2026-03-01', '2026-03', '2026'])
})

test('days are those of the zone', () => {
  const paris = calendarOf('Europe/Paris')
  expect(paris.nameOf('keepDaily', at('2026-02-28T22:59:59.999Z'))).toBe('2026-02-28')
  expect(paris.nameOf('keepDaily', at('2026-02-28T23:00:00Z'))).toBe('2026-03-01')
  expect(paris.nameOf('keepMonthly', at('2026-02-28T23:00:00Z'))).toBe('2026-03')
  expect(calendarOf('Pacific/Kiritimati').nameOf('keepYearly', at('2025-12-31T10:00:00Z'))).toBe('2026')
})

test('an hour that a clock shows twice is two hours, and one that it leaves out is none', () => {
  const { nameOf } = calendarOf('Europe/Paris')
  const hours = (from: string) => [0, 1, 2, 3].map((hour) => nameOf('keepHourly', at(from) + hour * 3_600_000))
  expect(hours('2026-10-24T23:30:00Z')).toEqual([
    '2026-10-25 01:00+02:00',
    '2026-10-25 02:00+02:00',
    '2026-10-25 02:00+01:00',
    '2026-10-25 03:00+01:00',
  ])
  expect(hours('2026-03-28T23:30:00Z').map((name) => name.slice(11, 13))).toEqual(['00', '01', '03', '04'])
  expect(calendarOf('Asia/Kathmandu').nameOf('keepHourly', at('2026-01-01T00:14:00Z'))).toBe('2026-01-01 05:00+05:45')
  expect(calendarOf('America/St_Johns').nameOf('keepHourly', at('2026-01-01T00:00:00Z'))).toBe('2025-12-31 20:00-03:30')
})
