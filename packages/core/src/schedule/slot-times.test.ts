import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BackupError } from '../errors/backup-error.ts'
import { timeZone } from '../time/time-zone.ts'
import { cronText, zoneName } from './__fixtures__/random-policies.ts'
import { slotsByTheMinute } from './__fixtures__/slots-by-the-minute.ts'
import { parseCron } from './cron-expression.ts'
import { type SlotTimes, slotTimes } from './slot-times.ts'

const seed = Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 2 ** 31)

function slots(text: string, zone = 'UTC'): SlotTimes {
  return slotTimes(parseCron(text), timeZone(zone))
}

function nextOf(times: SlotTimes, from: string, count: number): string[] {
  const found: string[] = []
  for (let at = times.next(Date.parse(from)); at !== undefined && found.length < count; at = times.next(at))
    found.push(new Date(at).toISOString())
  return found
}

describe('what is no expression', () => {
  test.each([
    ['', 'it has 1 field'],
    ['0 2 * *', 'it has 4 fields'],
    ['0 0 0 * * * 2027', 'it has 7 fields'],
    ['@daily', 'it has 1 field'],
    ['60 * * * *', 'invalid value for minute: 60'],
    ['* 24 * * *', 'invalid value for hour: 24'],
    ['0 2 * * 8', 'invalid value for dayOfWeek: 8'],
    ['*/0 * * * *', 'illegal stepping: 0'],
    ['22-3 * * * *', "from value is larger than to value: '22-3'"],
    ['constructor * * * *', 'illegal characters'],
    ['0 0 30 2 *', 'no day of the calendar is meant by it'],
    ['0 0 31 4,6,9,11 *', 'no day of the calendar is meant by it'],
  ])('%j is refused: %s', (text, why) => {
    let thrown: unknown
    try {
      parseCron(text)
    } catch (error) {
      thrown = error
    }
    expect(BackupError.is(thrown) ? thrown : undefined).toMatchObject({
      code: 'INVALID_SETTINGS',
      hint: expect.stringContaining('five fields'),
    })
    expect(String(thrown)).toContain(JSON.stringify(text))
    expect(String(thrown)).toContain(why)
  })

  test.each(['', 'Europe/Atlantis', '../../etc/passwd'])('%j is no time zone', (name) => {
    expect(() => timeZone(name)).toThrow(`there is no time zone ${JSON.stringify(name)}`)
  })
})

describe('the clocks are set forward', () => {
  test('a time that is skipped is the moment after, once', () => {
    expect(nextOf(slots('30 2 * * *', 'Europe/Berlin'), '2026-03-28T00:00:00Z', 3)).toEqual([
      '2026-03-28T01:30:00.000Z',
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ])
  })

  test('several that are skipped are one slot, where croner leaves out the day', () => {
    expect(nextOf(slots('0,15,30 2 * * *', 'Europe/Berlin'), '2026-03-28T12:00:00Z', 2)).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:00:00.000Z',
    ])
  })

  test('what is due at the moment after anyway is due once', () => {
    const times = slots('0 2,3 * * *', 'Europe/Berlin')
    expect(nextOf(times, '2026-03-28T12:00:00Z', 2)).toEqual(['2026-03-29T01:00:00.000Z', '2026-03-30T00:00:00.000Z'])
    expect(times.count(Date.parse('2026-03-28T12:00:00Z'), Date.parse('2026-03-29T12:00:00Z'))).toBe(1)
  })

  test('an expression for every hour goes on as time does', () => {
    expect(nextOf(slots('30 * * * *', 'Europe/Berlin'), '2026-03-29T00:00:00Z', 3)).toEqual([
      '2026-03-29T00:30:00.000Z',
      '2026-03-29T01:30:00.000Z',
      '2026-03-29T02:30:00.000Z',
    ])
  })

  test('a whole day that was skipped in Samoa is made up for', () => {
    expect(nextOf(slots('0 12 * * *', 'Pacific/Apia'), '2011-12-29T00:00:00Z', 3)).toEqual([
      '2011-12-29T22:00:00.000Z',
      '2011-12-30T10:00:00.000Z',
      '2011-12-30T22:00:00.000Z',
    ])
  })
})

describe('the clocks are set back', () => {
  test('a time that comes twice is the first', () => {
    expect(nextOf(slots('30 2 * * *', 'Europe/Berlin'), '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ])
    expect(nextOf(slots('*/30 2 * * *', 'Europe/Berlin'), '2026-10-24T12:00:00Z', 3)).toEqual([
      '2026-10-25T00:00:00.000Z',
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:00:00.000Z',
    ])
  })

  test('an expression for every hour goes on as time does', () => {
    expect(nextOf(slots('0 * * * *', 'Europe/Berlin'), '2026-10-24T23:30:00Z', 3)).toEqual([
      '2026-10-25T00:00:00.000Z',
      '2026-10-25T01:00:00.000Z',
      '2026-10-25T02:00:00.000Z',
    ])
  })

  test('an expression whose times are close together leaves out nothing for longer than on other days', () => {
    expect(nextOf(slots('*/30 1-23 * * *', 'Europe/Berlin'), '2026-10-25T00:00:00Z', 4)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-25T01:00:00.000Z',
      '2026-10-25T01:30:00.000Z',
      '2026-10-25T02:00:00.000Z',
    ])
    expect(nextOf(slots('0 2,3 * * *', 'Europe/Berlin'), '2026-10-24T12:00:00Z', 3)).toEqual([
      '2026-10-25T00:00:00.000Z',
      '2026-10-25T01:00:00.000Z',
      '2026-10-25T02:00:00.000Z',
    ])
    expect(nextOf(slots('*/15 21-23 * * *', 'Europe/Berlin'), '2026-10-24T21:40:00Z', 2)).toEqual([
      '2026-10-24T21:45:00.000Z',
      '2026-10-25T20:00:00.000Z',
    ])
  })

  test('times that are further apart come once', () => {
    expect(nextOf(slots('0 */2 * * *', 'Europe/Berlin'), '2026-10-24T22:30:00Z', 2)).toEqual([
      '2026-10-25T00:00:00.000Z',
      '2026-10-25T03:00:00.000Z',
    ])
  })

  test('by half an hour, on Lord Howe', () => {
    expect(nextOf(slots('45 1 * * *', 'Australia/Lord_Howe'), '2026-04-04T00:00:00Z', 2)).toEqual([
      '2026-04-04T14:45:00.000Z',
      '2026-04-05T15:15:00.000Z',
    ])
  })
})

describe('the calendar', () => {
  test('the 29th of February comes in leap years, over 2100 after eight', () => {
    expect(nextOf(slots('0 0 29 2 *'), '2095-01-01T00:00:00Z', 3).map((text) => text.slice(0, 10))).toEqual([
      '2096-02-29',
      '2104-02-29',
      '2108-02-29',
    ])
  })

  test('the last day of the month and the second Monday', () => {
    expect(nextOf(slots('0 3 L * *'), '2028-02-01T00:00:00Z', 2)).toEqual(['2028-02-29T03:00:00.000Z', '2028-03-31T03:00:00.000Z'])
    expect(nextOf(slots('0 3 * * MON#2'), '2026-12-01T00:00:00Z', 1)).toEqual(['2026-12-14T03:00:00.000Z'])
  })
})

test('every slot of random expressions and zones is the one that a look at the clock every minute finds', () => {
  const beforeYear = fc.constantFrom(2011, 2024, 2026, 2027)
  fc.assert(
    fc.property(cronText({ seconds: false }), zoneName, beforeYear, fc.nat({ max: 364 }), (text, zone, year, day) => {
      const times = slots(text, zone)
      const from = Date.UTC(year, 0, 1 + day)
      const to = from + 3 * 86_400_000
      const expected = slotsByTheMinute(text, zone, from, to)
      const found: number[] = []
      for (let at = times.next(from); at !== undefined && at <= to; at = times.next(at)) found.push(at)
      expect(found).toEqual(expected)
      expect(times.count(from, to)).toBe(expected.length)
      expect(times.last(from, to)).toBe(expected.at(-1))
    }),
    { numRuns: 20, seed },
  )
}, 30_000)

test('at every change of the clocks of a year', () => {
  for (const [zone, at] of [
    ['Europe/Berlin', '2026-03-29T01:00:00Z'],
    ['Europe/Berlin', '2026-10-25T01:00:00Z'],
    ['America/New_York', '2026-03-08T07:00:00Z'],
    ['America/New_York', '2026-11-01T06:00:00Z'],
    ['Australia/Lord_Howe', '2026-04-04T15:00:00Z'],
    ['Australia/Lord_Howe', '2026-10-03T15:30:00Z'],
    ['America/Santiago', '2026-09-06T04:00:00Z'],
    ['Africa/Casablanca', '2026-02-15T02:00:00Z'],
    ['Pacific/Apia', '2011-12-30T10:00:00Z'],
  ] as const) {
    fc.assert(
      fc.property(cronText({ seconds: false }), (text) => {
        const [from, to] = [Date.parse(at) - 30 * 3_600_000, Date.parse(at) + 30 * 3_600_000]
        const times = slots(text, zone)
        const found: number[] = []
        for (let next = times.next(from); next !== undefined && next <= to; next = times.next(next)) found.push(next)
        expect(found).toEqual(slotsByTheMinute(text, zone, from, to))
        expect(times.count(from, to)).toBe(found.length)
      }),
      { numRuns: 6, seed },
    )
  }
}, 30_000)

test('between two slots never more time passes than on the wall and what the clocks are set back, and not more than that where they are closer together', () => {
  const changes = [
    ['Europe/Berlin', '2026-10-25T01:00:00Z', 60],
    ['America/New_York', '2026-11-01T06:00:00Z', 60],
    ['America/Santiago', '2026-04-05T03:00:00Z', 60],
    ['Australia/Lord_Howe', '2026-04-04T15:00:00Z', 30],
    ['Africa/Casablanca', '2026-02-15T02:00:00Z', 60],
  ] as const
  fc.assert(
    fc.property(cronText({ seconds: false }), fc.constantFrom(...changes), (text, [zone, at, back]) => {
      const [times, wall] = [slots(text, zone), slots(text)]
      const { stretchAt } = timeZone(zone)
      const onWall = (moment: number) => moment + stretchAt(moment).offset
      expect(stretchAt(Date.parse(at) - 1).offset - stretchAt(Date.parse(at)).offset).toBe(back * 60_000)
      let before = times.next(Date.parse(at) - 30 * 3_600_000)
      for (let next = before; before !== undefined && before < Date.parse(at) + 30 * 3_600_000; before = next) {
        next = times.next(before)
        if (next === undefined) return
        const interval = (wall.next(onWall(before)) ?? Number.POSITIVE_INFINITY) - onWall(before)
        const longest = interval <= back * 60_000 ? back * 60_000 : interval + back * 60_000
        expect(next - before).toBeLessThanOrEqual(longest)
      }
    }),
    { numRuns: 150, seed },
  )
}, 30_000)

test('with seconds, next, last and count agree', () => {
  fc.assert(
    fc.property(
      cronText({ seconds: true }),
      zoneName,
      fc.nat({ max: 364 * 86_400 }),
      fc.nat({ max: 7200 }),
      (text, zone, begin, length) => {
        const times = slots(text, zone)
        const from = Date.UTC(2027, 0, 1) + begin * 1000
        const to = from + length * 1000
        let count = 0
        let last: number | undefined
        for (let at = times.next(from); at !== undefined && at <= to; at = times.next(at)) [count, last] = [count + 1, at]
        expect(times.count(from, to)).toBe(count)
        expect(times.last(from, to)).toBe(last)
      },
    ),
    { numRuns: 100, seed },
  )
}, 30_000)
