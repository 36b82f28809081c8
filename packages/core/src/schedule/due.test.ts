import { describe, expect, test } from 'vitest'
import { backupOf } from './__fixtures__/listed-backups.ts'
import { checkPolicy } from './check-policy.ts'
import { afterClockWasSet } from './clock-correction.ts'
import { type DueReport, due } from './due.ts'
import { beginRun, endRun, type JobHistory, laterHistory, leaveOut, type RunEnd, rememberedHistory } from './schedule-history.ts'
import type { SchedulePolicy, ScheduleTask, StartWindow } from './schedule-policy.ts'
import { jitterOf } from './slot-jitter.ts'
import { beginWatching, watchNewTasks } from './watched-tasks.ts'

const moment = (text: string) => Date.parse(`2026-${text}Z`)
const policyOf = (entries: SchedulePolicy['entries'], more: Partial<SchedulePolicy> = {}): SchedulePolicy => ({
  job: 'shop',
  entries,
  timezone: 'UTC',
  ...more,
})
const nightly = policyOf({ full: '0 2 * * 0', differential: '0 2 * * *', log: '*/15 * * * *' })
/** 2026-12-06 is a Sunday. */
const watched = (policy: SchedulePolicy, text: string) => beginWatching(undefined, policy, moment(text))
const shown = ({ due: runs }: DueReport) =>
  runs.map(({ task, slot, slots }) => `${task} ${new Date(slot).toISOString().slice(5, 16)} x${slots}`)

/** One run, begun and ended at these moments. */
function ran(history: JobHistory, policy: SchedulePolicy, task: ScheduleTask, began: string, ended: string, end: RunEnd): JobHistory {
  const run = due(moment(began), history, policy).due.find((candidate) => candidate.task === task)
  if (run === undefined) throw new Error(`${task} is not due at ${began}`)
  const begun = { task, slot: run.slot, beganAt: moment(began) }
  return endRun(beginRun(history, begun), begun, end, moment(ended), policy).history
}

describe('what is due', () => {
  test('nothing of a job that was never run, until its next slot', () => {
    const report = due(moment('12-06T01:59:59'), watched(nightly, '12-06T01:50:00'), nightly)
    expect(report).toEqual({ due: [], missed: [], nextAt: moment('12-06T02:00:00') })
  })

  test('a full before everything else, in place of the differential of the moment, and then the log', () => {
    expect(shown(due(moment('12-06T02:00:00'), watched(nightly, '12-06T01:50:00'), nightly))).toEqual([
      'full 12-06T02:00 x1',
      'log 12-06T02:00 x1',
    ])
    const after = ran(watched(nightly, '12-06T01:50:00'), nightly, 'full', '12-06T02:00:00', '12-06T02:50:00', {
      outcome: 'done',
      kind: 'full',
    })
    expect(shown(due(moment('12-06T02:50:00'), after, nightly))).toEqual(['log 12-06T02:45 x4'])
  })

  test('what passed while the machine was off, once', () => {
    const report = due(moment('12-20T12:07:00'), watched(nightly, '12-06T01:50:00'), nightly)
    expect(shown(report)).toEqual(['full 12-20T02:00 x3', `log 12-20T12:00 x${14 * 96 + 41}`])
    expect(report.due[0]?.since).toBe(moment('12-06T02:00:00'))
  })

  test('not what a run fulfilled that began later than the slot, however early it is by the clock now', () => {
    const log = policyOf({ log: '*/15 * * * *' })
    const after = ran(watched(log, '12-06T09:50:00'), log, 'log', '12-06T10:03:00', '12-06T10:04:00', { outcome: 'done', kind: 'log' })
    expect(due(moment('12-06T09:15:00'), after, log)).toMatchObject({ due: [], nextAt: moment('12-06T10:15:00') })
  })

  test.each([
    ['10 minutes', '12-06T09:53:00', [], '12-06T10:15:00'],
    ['16 minutes', '12-06T09:47:00', ['log 12-06T09:45 x1'], '12-06T10:00:00'],
    ['two hours', '12-06T08:03:00', ['log 12-06T08:00 x1'], '12-06T08:15:00'],
  ])('after a clock was set back by %s: no log is missing for longer than two intervals', (_, at, runs, nextAt) => {
    const log = policyOf({ log: '*/15 * * * *', full: '0 2 * * 0' })
    const after = ran(watched(log, '12-06T09:50:00'), log, 'log', '12-06T10:03:00', '12-06T10:04:00', { outcome: 'done', kind: 'log' })
    const report = due(moment(at), afterClockWasSet(after, moment(at), log), log)
    expect(shown(report)).toEqual(runs)
    expect(report.nextAt).toBe(moment(nextAt))
  })

  test('what failed by a clock that was wrong does not keep what is due waiting', () => {
    const log = policyOf({ log: '*/15 * * * *' })
    const failed = ran(watched(log, '12-06T09:50:00'), log, 'log', '12-06T12:00:00', '12-06T12:00:01', { outcome: 'failed' })
    expect(shown(due(moment('12-06T10:01:00'), afterClockWasSet(failed, moment('12-06T10:01:00'), log), log))).toEqual([
      'log 12-06T10:00 x1',
    ])
  })

  test('after a clock that was wrong by days was corrected, the newest slot that has passed', () => {
    const log = policyOf({ log: '*/15 * * * *' })
    const far = ran(watched(log, '12-06T09:50:00'), log, 'log', '12-31T10:03:00', '12-31T10:04:00', { outcome: 'done', kind: 'log' })
    const corrected = afterClockWasSet(far, moment('12-06T10:10:00'), log)
    expect(shown(due(moment('12-06T10:10:00'), corrected, log))).toEqual(['log 12-06T10:00 x1'])
    expect(afterClockWasSet(corrected, moment('12-06T10:10:00'), log)).toBe(corrected)
  })

  test('a differential that became a full fulfils the full as well, which waits for its next attempt', () => {
    const both = policyOf({ full: '0 3 * * *', differential: '15 3 * * *' }, { retries: { times: 3, waitSeconds: 3600 } })
    const failed = ran(watched(both, '12-06T01:00:00'), both, 'full', '12-06T03:00:00', '12-06T03:10:00', { outcome: 'failed' })
    const after = ran(failed, both, 'differential', '12-06T03:15:00', '12-06T04:30:00', { outcome: 'done', kind: 'full' })
    expect(due(moment('12-06T04:30:00'), after, both)).toMatchObject({ due: [], nextAt: moment('12-07T03:00:00') })
    expect(after.tasks.full?.attempts).toBeUndefined()
  })

  test('of the others what has been due longest, so that a log without end does not keep the rest from running', () => {
    const busy = policyOf({ log: '* * * * * *', drill: '0 5 * * *', prune: '0 6 * * *' })
    const history = ran(watched(busy, '12-06T04:59:59'), busy, 'log', '12-06T05:00:00', '12-06T05:00:03', { outcome: 'done', kind: 'log' })
    expect(shown(due(moment('12-06T05:00:03'), history, busy))).toEqual(['drill 12-06T05:00 x1', 'log 12-06T05:00 x3'])
  })
})

describe('a run that failed', () => {
  const full = policyOf({ full: '0 2 * * *', log: '0 * * * *' }, { retries: { times: 2, waitSeconds: 60 } })
  const failed: RunEnd = { outcome: 'failed' }

  test('is tried again after a wait that doubles, logs go on meanwhile, and then it is given up until the next slot', () => {
    let history = ran(watched(full, '12-06T01:30:00'), full, 'full', '12-06T02:00:00', '12-06T02:10:00', failed)
    expect(shown(due(moment('12-06T02:10:00'), history, full))).toEqual(['log 12-06T02:00 x1'])
    history = ran(history, full, 'log', '12-06T02:10:00', '12-06T02:10:01', { outcome: 'done', kind: 'log' })
    expect(due(moment('12-06T02:10:59'), history, full)).toMatchObject({ due: [], nextAt: moment('12-06T02:11:00') })
    history = ran(history, full, 'full', '12-06T02:11:00', '12-06T02:20:00', failed)
    expect(due(moment('12-06T02:20:00'), history, full)).toMatchObject({ due: [], nextAt: moment('12-06T02:22:00') })
    history = ran(history, full, 'full', '12-06T02:22:00', '12-06T02:30:00', failed)
    expect(due(moment('12-06T02:30:00'), history, full)).toMatchObject({ due: [], nextAt: moment('12-06T03:00:00') })
    expect(shown(due(moment('12-07T02:00:00'), history, full))[0]).toBe('full 12-07T02:00 x1')
  })

  test('is given up at once where another attempt can only fail too', () => {
    const begun = { task: 'full' as const, slot: moment('12-06T02:00:00'), beganAt: moment('12-06T02:00:00') }
    expect(
      endRun(watched(full, '12-06T01:00:00'), begun, { outcome: 'failed', retry: false }, moment('12-06T02:00:01'), full).givenUp,
    ).toBe(true)
  })

  test('makes way for a newer slot at the time of that', () => {
    const slow = policyOf({ log: '*/10 * * * *' }, { retries: { times: 3, waitSeconds: 3600 } })
    const history = ran(watched(slow, '12-06T01:59:00'), slow, 'log', '12-06T02:00:00', '12-06T02:00:01', failed)
    expect(due(moment('12-06T02:00:01'), history, slow).nextAt).toBe(moment('12-06T02:10:00'))
    expect(due(moment('12-06T02:10:00'), history, slow).due).toMatchObject([{ slots: 2, failures: 0 }])
  })

  test('does not wait for longer than it would have, when the clock is set back', () => {
    const history = ran(watched(full, '12-06T01:30:00'), full, 'full', '12-06T02:00:00', '12-06T02:10:00', failed)
    const corrected = afterClockWasSet(history, moment('12-06T00:10:00'), full)
    expect(corrected.tasks.full?.attempts?.notBefore).toBe(moment('12-06T01:10:00'))
  })
})

describe('a run that was cut', () => {
  const full = policyOf({ full: '0 2 * * *' }, { retries: { times: 0, waitSeconds: 60 } })

  test('by the end of its process is made at once, and after that with a wait, but never given up', () => {
    let history = watched(full, '12-06T01:00:00')
    const cut = (at: string) => {
      history = beginRun(history, { task: 'full', slot: moment('12-06T02:00:00'), beganAt: moment(at) })
      history = beginWatching(history, full, moment(at) + 1000)
      return due(moment(at) + 1000, history, full)
    }
    expect(shown(cut('12-06T02:00:00'))).toEqual(['full 12-06T02:00 x1'])
    expect(cut('12-06T02:01:00')).toMatchObject({ due: [], nextAt: moment('12-06T02:02:01') })
    for (let hour = 3; hour < 20; hour++) cut(`12-06T${String(hour).padStart(2, '0')}:00:00`)
    expect(shown(due(moment('12-06T21:00:00'), history, full))).toEqual(['full 12-06T02:00 x1'])
  })

  test('one that could not begin is due again after so long', () => {
    const history = ran(watched(full, '12-06T01:00:00'), full, 'full', '12-06T02:00:00', '12-06T02:00:01', {
      outcome: 'deferred',
      seconds: 30,
    })
    expect(due(moment('12-06T02:00:01'), history, full)).toMatchObject({ due: [], nextAt: moment('12-06T02:00:31') })
    expect(history.tasks.full?.lastRun).toBeUndefined()
  })
})

describe('with runMissed: false', () => {
  const policy = policyOf({ full: '0 2 * * *' }, { runMissed: false })

  test('what passed while nobody watched is left out, and said', () => {
    const history = beginWatching(watched(policy, '12-06T01:00:00'), policy, moment('12-08T09:00:00'))
    const report = due(moment('12-08T09:00:00'), history, policy)
    expect(report).toEqual({
      due: [],
      missed: [{ task: 'full', slot: moment('12-08T02:00:00'), slots: 3 }],
      nextAt: moment('12-09T02:00:00'),
    })
    expect(due(moment('12-08T09:00:00'), leaveOut(history, 'full', moment('12-08T02:00:00')), policy).missed).toEqual([])
  })

  test('what waits for the run before it is not', () => {
    expect(shown(due(moment('12-06T05:00:00'), watched(policy, '12-06T01:00:00'), policy))).toEqual(['full 12-06T02:00 x1'])
  })
})

describe('windows', () => {
  const night: StartWindow = { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '20:00', to: '06:00' }
  const start = (windows: readonly StartWindow[], text: string, task: ScheduleTask = 'full', timezone = 'UTC') => {
    const policy = policyOf({ [task]: '* * * * *' }, { windows, timezone })
    const now = moment(text)
    const report = due(now, beginWatching(undefined, policy, now - 120_000), policy)
    return report.due.length > 0 ? 'now' : new Date(report.nextAt ?? 0).toISOString().slice(5, 16)
  }

  test.each([
    ['12-01T12:00:00', '12-01T20:00'],
    ['12-01T20:00:00', 'now'],
    ['12-02T05:59:59', 'now'],
    ['12-02T06:00:00', '12-02T20:00'],
    ['12-05T03:00:00', 'now'], // Friday's goes on into Saturday,
    ['12-05T07:00:00', '12-07T20:00'], // and the next begins on Monday.
    ['12-07T03:00:00', '12-07T20:00'],
  ])('at %s it starts: %s', (now, starts) => {
    expect(start([night], now)).toBe(starts)
  })

  test('of a week that ends in one, and of several', () => {
    expect(start([{ days: ['sat'], from: '22:00', to: '04:00' }], '12-06T03:59:00')).toBe('now')
    expect(start([night, { from: '12:00', to: '13:00' }], '12-05T07:00:00')).toBe('12-05T12:00')
  })

  test('only for the tasks that they are for', () => {
    expect(start([{ ...night, tasks: ['full'] }], '12-01T12:00:00', 'log')).toBe('now')
    expect(start([{ ...night, tasks: ['full'] }], '12-01T12:00:00', 'full')).toBe('12-01T20:00')
  })

  test('by the clock of the zone', () => {
    expect(start([night], '12-01T12:00:00', 'full', 'Asia/Kathmandu')).toBe('12-01T14:15')
  })

  test('one in an hour that is skipped opens a week later', () => {
    expect(start([{ days: ['sun'], from: '02:00', to: '03:00' }], '03-29T00:30:00', 'full', 'Europe/Berlin')).toBe('04-05T00:00')
  })

  test('it may end at any time: the rest waits for the next', () => {
    const policy = policyOf({ full: '0 21 * * *' }, { windows: [night] })
    expect(due(moment('12-06T21:00:00'), watched(policy, '12-06T20:00:00'), policy)).toMatchObject({
      due: [],
      nextAt: moment('12-07T20:00:00'),
    })
  })
})

describe('jitter', () => {
  const policy = policyOf({ full: '0 2 * * *' }, { jitterSeconds: 3600 })

  test('is the same for a slot always, and another for other slots, tasks and jobs', () => {
    const jitter = (job: string, task: ScheduleTask, slot: number) => jitterOf({ job, task, limitSeconds: 3600 })(slot, undefined)
    const slot = moment('12-06T02:00:00')
    expect(jitter('shop', 'full', slot)).toBe(1_592_000)
    const others = [jitter('wiki', 'full', slot), jitter('shop', 'log', slot), jitter('shop', 'full', slot + 86_400_000)]
    expect(new Set([jitter('shop', 'full', slot), ...others]).size).toBe(4)
  })

  test('is spread evenly', () => {
    const jitter = jitterOf({ job: 'shop', task: 'full', limitSeconds: 10 })
    const all = Array.from({ length: 10_000 }, (_, day) => jitter(moment('12-06T02:00:00') + day * 86_400_000, undefined) / 1000)
    for (const count of Array.from({ length: 10 }, (_, seconds) => all.filter((each) => each === seconds).length))
      expect(count).toSatisfy((value: number) => value > 850 && value < 1150)
  })

  test('makes a run due later, and a run that began meanwhile fulfils it', () => {
    const history = watched(policy, '12-06T01:00:00')
    const at = due(moment('12-06T02:00:00'), history, policy).nextAt ?? 0
    expect(at).toBeGreaterThan(moment('12-06T02:00:00'))
    expect(at).toBeLessThan(moment('12-06T03:00:00'))
    expect(due(at - 1, history, policy).due).toEqual([])
    expect(due(at, history, policy).due).toMatchObject([{ slot: moment('12-06T02:00:00') }])
  })

  test('stays below the next slot', () => {
    const often = policyOf({ log: '*/15 * * * *' }, { jitterSeconds: 86_400 })
    const history = watched(often, '12-06T02:00:00')
    expect(due(moment('12-06T02:29:59'), history, often).due).toMatchObject([{ slots: 1 }])
  })
})

describe('a history', () => {
  test('is made of the backups that a repository lists', () => {
    const history = rememberedHistory(
      [
        backupOf('full', moment('12-06T02:00:10')),
        backupOf('log', moment('12-06T03:00:10')),
        backupOf('full', moment('12-07T02:00:10'), { limitedTo: ['orders'] }),
      ],
      moment('12-07T09:00:00'),
    )
    expect(history.tasks).toEqual({
      full: { settledUntil: moment('12-06T02:00:10') },
      differential: { settledUntil: moment('12-06T02:00:10') },
      log: { settledUntil: moment('12-06T03:00:10') },
    })
    expect(shown(due(moment('12-07T09:00:00'), beginWatching(history, nightly, moment('12-07T09:00:00')), nightly))).toEqual([
      'log 12-07T09:00 x120',
      'differential 12-07T02:00 x1',
    ])
  })

  test('takes from another what is later there', () => {
    const own = watched(nightly, '12-06T02:00:00')
    const other: JobHistory = {
      watchedSince: 0,
      tasks: { full: { settledUntil: moment('12-06T03:00:00') }, log: { settledUntil: moment('12-06T01:00:00') } },
    }
    expect(laterHistory(own, other).tasks).toEqual({ ...own.tasks, full: { ...own.tasks.full, settledUntil: moment('12-06T03:00:00') } })
  })
})

describe('a changed expression', () => {
  const sundays = policyOf({ full: '0 2 * * 0' })
  const made = ran(watched(sundays, '12-06T01:00:00'), sundays, 'full', '12-06T02:00:00', '12-06T02:10:00', {
    outcome: 'done',
    kind: 'full',
  })
  const changed = policyOf({ full: '0 3 * * *' })

  test.each([
    ['begins with its next slot', made, changed, '12-09T12:00:00', [], '12-10T03:00:00'],
    ['as does a changed time zone', made, { ...sundays, timezone: 'Asia/Kathmandu' }, '12-12T23:00:00', [], '12-19T20:15:00'],
    ['makes up for what the old one had missed', made, changed, '12-13T12:00:00', ['full 12-13T03:00 x8'], '12-14T03:00:00'],
    ['is none when it is the same', made, sundays, '12-09T12:00:00', [], '12-13T02:00:00'],
  ] as const)('%s', (_, history, policy, at, runs, nextAt) => {
    const watchedNow = watchNewTasks(history, policy, moment(at))
    const report = due(moment(at), watchedNow, policy)
    expect(shown(report)).toEqual(runs)
    expect(report.nextAt).toBe(moment(nextAt))
    expect(watchNewTasks(watchedNow, policy, moment(at) + 1000)).toBe(watchedNow)
  })

  test('is tried at once where the old one is being tried again', () => {
    const failed = ran(watched(sundays, '12-06T01:00:00'), sundays, 'full', '12-06T02:00:00', '12-06T02:10:00', { outcome: 'failed' })
    const at = moment('12-06T02:10:30')
    expect(shown(due(at, watchNewTasks(failed, policyOf({ full: '30 1 * * *' }), at), policyOf({ full: '30 1 * * *' })))).toEqual([
      'full 12-06T01:30 x1',
    ])
  })

  test('of which nothing is known, as of an earlier release, changes nothing', () => {
    const { schedule: _, ...full } = made.tasks.full ?? { settledUntil: 0 }
    const at = moment('12-09T12:00:00')
    expect(shown(due(at, watchNewTasks({ ...made, tasks: { full } }, changed, at), changed))).toEqual(['full 12-09T03:00 x4'])
  })
})

describe('a policy that cannot be', () => {
  test('is told with all of its problems and where they are', () => {
    const policy = policyOf(
      { full: '0 25 * * *', log: 'often' },
      {
        timezone: 'Mars/Olympus',
        windows: [
          { from: '24:00', to: '6:00', days: [] },
          { from: '20:00', to: '25:00' },
          { from: '20:00', to: '20:00' },
          { from: '12:60', to: '00:00' },
        ],
      },
    )
    expect(checkPolicy(policy).map(({ path, message }) => `${path.join('.')}: ${message}`)).toEqual([
      'entries.full: "0 25 * * *" is no cron expression: invalid value for hour: 25',
      'entries.log: "often" is no cron expression: it has 1 field',
      'timezone: there is no time zone "Mars/Olympus"',
      'windows.0.from: "24:00" is no time of a day from 00:00 to 23:59',
      'windows.0.days: no day is named; the days are sun, mon, tue, wed, thu, fri, sat',
      'windows.1.to: "25:00" is no time of a day from 00:01 to 24:00; midnight at the end of a day is 24:00',
      'windows.2.to: the window is empty, since it begins and ends at 20:00; a whole day is from 00:00 to 24:00',
      'windows.3.from: "12:60" is no time of a day from 00:00 to 23:59',
      'windows.3.to: "00:00" is no time of a day from 00:01 to 24:00; midnight at the end of a day is 24:00',
    ])
    expect(() => due(0, { watchedSince: 0, tasks: {} }, policy)).toThrow('no time zone')
  })

  test('one in which nothing is wrong has none', () => {
    expect(checkPolicy({ ...nightly, windows: [{ from: '20:00', to: '24:00' }] })).toEqual([])
  })
})
