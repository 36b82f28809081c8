import fc from 'fast-check'
import { type SchedulePolicy, type StartWindow, weekdays } from '../schedule-policy.ts'

/** With clocks that are changed in the north, in the south, by half an hour, in the fasting month, at midnight, and not at all. */
export const zoneName = fc.constantFrom(
  'UTC',
  'Europe/Paris',
  'America/New_York',
  'Australia/Lord_Howe',
  'America/Santiago',
  'Africa/Casablanca',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'Africa/Cairo',
)

const list = (max: number) =>
  fc.uniqueArray(fc.nat({ max }), { minLength: 1, maxLength: 3 }).map((values) => values.toSorted((a, b) => a - b).join(','))
const step = (steps: readonly number[]) => fc.constantFrom(...steps).map((each) => `*/${each}`)
const any = fc.constant('*')

const minuteField = fc.oneof(
  fc.nat({ max: 59 }).map(String),
  list(59),
  step([5, 10, 15, 20, 30]),
  fc.constantFrom('0', '30', '7-23', '10-50/20'),
)
const hourField = fc.oneof(
  any,
  any,
  fc.nat({ max: 23 }).map(String),
  list(23),
  step([2, 3, 6]),
  fc.constantFrom('0', '1', '2', '3', '1-3', '8-18', '22,23,0'),
)
const dayField = fc.oneof(
  { weight: 6, arbitrary: any },
  { weight: 1, arbitrary: fc.constantFrom('1', '15', '31', 'L', '*/2', '15W', '1-7') },
)
const monthField = fc.oneof({ weight: 8, arbitrary: any }, { weight: 1, arbitrary: fc.constantFrom('3', '10', '*/3', 'FEB', '1-6') })
const weekdayField = fc.oneof(
  { weight: 4, arbitrary: any },
  { weight: 2, arbitrary: fc.constantFrom('0', '7', 'MON-FRI', '1#1', 'FRI', '5L', 'SAT,SUN') },
)

/** `31 FEB` and its like never come, and are refused. */
const comes = (day: string, month: string) => day !== '31' || month !== 'FEB'

const dates = fc
  .tuple(dayField, monthField, weekdayField)
  .map(([day, month, weekday]) => (comes(day, month) ? `${day} ${month} ${weekday}` : `${day} * ${weekday}`))

export function cronText({ seconds }: { readonly seconds: boolean }): fc.Arbitrary<string> {
  const five = fc.tuple(minuteField, hourField, dates).map((fields) => fields.join(' '))
  const second = fc.oneof(fc.nat({ max: 59 }).map(String), list(59), step([1, 10, 15, 30]))
  return seconds ? fc.tuple(second, five).map((fields) => fields.join(' ')) : five
}

const leapDay = fc.constant('0 4 29 2 *')
const rare = fc.oneof({ weight: 5, arbitrary: cronText({ seconds: false }) }, { weight: 1, arbitrary: leapDay })
const time = fc.nat({ max: 95 }).map((quarter) => `${String(quarter >> 2).padStart(2, '0')}:${String((quarter % 4) * 15).padStart(2, '0')}`)

export const randomWindow: fc.Arbitrary<StartWindow> = fc
  .record(
    {
      days: fc.uniqueArray(fc.constantFrom(...weekdays), { minLength: 1 }),
      from: time,
      to: time.map((text) => (text === '00:00' ? '24:00' : text)),
      tasks: fc.constantFrom<NonNullable<StartWindow['tasks']>>(['full'], ['full', 'differential'], ['log', 'prune', 'drill']),
    },
    { requiredKeys: ['from', 'to'] },
  )
  .filter(({ from, to }) => from !== to)

/** Policies that `checkPolicy` has nothing against. */
export const randomPolicy: fc.Arbitrary<SchedulePolicy> = fc.record(
  {
    job: fc.constantFrom('shop', 'wiki', 'mail'),
    entries: fc.record(
      { full: rare, differential: rare, log: cronText({ seconds: false }), drill: rare, prune: rare },
      { requiredKeys: ['full'] },
    ),
    timezone: zoneName,
    jitterSeconds: fc.constantFrom(0, 1, 300, 7200),
    windows: fc.array(randomWindow, { maxLength: 3 }),
    runMissed: fc.boolean(),
    retries: fc.record({ times: fc.nat({ max: 3 }), waitSeconds: fc.constantFrom(1, 60, 1800, 7200) }, { requiredKeys: ['waitSeconds'] }),
    maximumDurationSeconds: fc.constantFrom(60, 3600, 6 * 3600),
  },
  { requiredKeys: ['job', 'entries', 'timezone'] },
)
