import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cronText, randomPolicy, zoneName } from './__fixtures__/random-policies.ts'
import { type Life, SimulatedYear } from './__fixtures__/simulated-year.ts'
import { checkPolicy } from './check-policy.ts'
import type { SchedulePolicy } from './schedule-policy.ts'

/** `BACKUP_PLANET_SCHEDULE_COUNT` schedules; a failure prints its seed, and `BACKUP_PLANET_SEED` goes through the same ones again. */
const runs = {
  numRuns: Number(process.env.BACKUP_PLANET_SCHEDULE_COUNT ?? 12),
  seed: Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 2 ** 31),
}
const patience = 60_000 + runs.numRuns * 1000

const fraction = fc.double({ min: 0, max: 1, noNaN: true })
const hour = 3600

const life: fc.Arbitrary<Omit<Life, 'days'>> = fc.record({
  // With and without a leap day, and with the days that clocks are changed on at other days of the week.
  from: fc.constantFrom(2026, 2027, 2028, 2099).map((year) => Date.UTC(year, 0, 1)),
  seed: fc.nat(),
  outages: fc.array(
    fc.record({
      at: fraction,
      minutes: fc.oneof(fc.nat({ max: 10 }), fc.nat({ max: 3 * 24 * 60 }), fc.nat({ max: 60 * 24 * 60 })),
      losesState: fc.constantFrom(false, false, true),
    }),
    { maxLength: 12 },
  ),
  clockSteps: fc.array(
    fc.record({
      at: fraction,
      seconds: fc.oneof(
        fc.integer({ min: -60, max: 60 }),
        fc.constantFrom(-hour, hour),
        fc.integer({ min: -3 * hour, max: 3 * hour }),
        fc.integer({ min: -40 * 24 * hour, max: 40 * 24 * hour }),
      ),
    }),
    { maxLength: 8 },
  ),
  longestRunSeconds: fc.constantFrom(1, 60, hour, 30 * hour),
  failing: fc.constantFrom(0, 0, 5, 50, 100),
  promoted: fc.constantFrom(0, 5, 50),
})

test(
  'in years with outages, clocks that are set and changed, leap days, long runs and failures no slot is missed, and none doubled',
  () => {
    fc.assert(
      fc.property(randomPolicy, life, (policy, lived) => {
        expect(checkPolicy(policy)).toEqual([])
        new SimulatedYear(policy, { ...lived, days: 366 }).live()
      }),
      runs,
    )
  },
  patience,
)

test(
  'nor in days of schedules by the second',
  () => {
    const entries = fc.record({ full: cronText({ seconds: true }), log: cronText({ seconds: true }), drill: cronText({ seconds: true }) })
    const policy: fc.Arbitrary<SchedulePolicy> = fc.record({
      job: fc.constant('shop'),
      entries,
      timezone: zoneName,
      jitterSeconds: fc.constantFrom(0, 7),
    })
    fc.assert(
      fc.property(policy, life, (chosen, lived) => {
        new SimulatedYear(chosen, { ...lived, days: 2, longestRunSeconds: Math.min(lived.longestRunSeconds, 600) }).live()
      }),
      { ...runs, numRuns: Math.ceil(runs.numRuns / 4) },
    )
  },
  patience,
)

describe('a quiet year', () => {
  const quiet: Life = {
    from: Date.UTC(2028, 0, 1),
    days: 366,
    seed: 1,
    outages: [],
    clockSteps: [],
    longestRunSeconds: 1,
    failing: 0,
    promoted: 0,
  }
  const countOf = (year: SimulatedYear, task: string) => year.runs.filter((run) => run.task === task).length

  test.each([
    ['UTC', 366 * 24],
    ['Europe/Paris', 366 * 24],
    // Where clocks are set by half an hour, one hour on the wall lasts longer when they are set back and one when they are set forward.
    ['Australia/Lord_Howe', 366 * 24 - 1],
  ])('by %s has every run that it should have, each once', (timezone, hours) => {
    const policy: SchedulePolicy = {
      job: 'shop',
      timezone,
      entries: { full: '30 2 * * 0', differential: '30 2 * * *', log: '0 * * * *', drill: '0 5 29 2 *' },
    }
    const year = new SimulatedYear(policy, { ...quiet, from: quiet.from - 1000 }).live()
    // A full takes the place of the differential of the same moment.
    expect(countOf(year, 'full')).toBe(53)
    expect(countOf(year, 'differential')).toBe(366 - 53)
    expect(countOf(year, 'log')).toBe(hours)
    expect(countOf(year, 'drill')).toBe(1)
  })

  test('of a log every minute is lived through in about a second', () => {
    const policy: SchedulePolicy = {
      job: 'shop',
      timezone: 'Europe/Paris',
      entries: { full: '0 2 * * *', log: '* * * * *' },
      jitterSeconds: 20,
    }
    const began = process.cpuUsage()
    const year = new SimulatedYear(policy, quiet).live()
    expect(year.runs.length).toBeGreaterThan(366 * 1440)
    // Of the processor, half of it for the bookkeeping of this test; generous, for slow ones.
    expect(process.cpuUsage(began).user / 1e6).toBeLessThan(8)
  }, 30_000)
})
