import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { abortError, BackupError } from '../errors/backup-error.ts'
import { createMemoryUploader, type MemoryObject } from '../testing/memory-uploader.ts'
import { backupOf } from './__fixtures__/listed-backups.ts'
import { VirtualTime } from './__fixtures__/virtual-time.ts'
import { acquireLease } from './acquire-lease.ts'
import { leaseConflict } from './lease-conflict.ts'
import { createJobList, runSchedule, type ScheduledResult, type ScheduleParts, type ScheduleState } from './run-schedule.ts'
import type { ScheduledRun, ScheduleEvent } from './schedule-event.ts'
import { rememberedHistory } from './schedule-history.ts'
import type { SchedulePolicy } from './schedule-policy.ts'

const begin = Date.parse('2026-12-06T01:50:00Z')
const minutes = 60_000
const policyOf = (job: string, entries: SchedulePolicy['entries'], more: Partial<SchedulePolicy> = {}): SchedulePolicy => ({
  job,
  entries,
  timezone: 'UTC',
  ...more,
})
const quarterly = policyOf('shop', { log: '*/15 * * * *' })

function resultOf({ task, beganAt }: ScheduledRun): ScheduledResult {
  if (task === 'drill' || task === 'prune') return { outcome: 'done' }
  return { outcome: 'done', backup: { id: beganAt, kind: task, consistentAt: beganAt, bytes: 1, failedItems: [] } }
}

interface Setting extends Partial<Omit<ScheduleParts, 'jobs'>> {
  readonly policies?: readonly SchedulePolicy[]
  /** Milliseconds that each run takes. */
  readonly takes?: number
}

/** A schedule on a machine whose time passes at once. */
class Machine {
  readonly time: VirtualTime
  readonly clock
  readonly events: ScheduleEvent[] = []
  readonly runs: string[] = []
  readonly jobs
  readonly #setting: Setting
  readonly #stop = new AbortController()
  saved: ScheduleState | undefined
  running = 0
  most = 0
  done: Promise<void> | undefined

  constructor(setting: Setting = {}, time = new VirtualTime(), saved?: ScheduleState) {
    this.time = time
    this.saved = saved
    this.clock = time.clock({ wall: begin })
    this.#setting = setting
    this.jobs = createJobList(setting.policies ?? [quarterly])
  }

  start(): this {
    const parts: ScheduleParts = {
      clock: this.clock,
      state: {
        load: async () => this.saved,
        save: async (state) => {
          this.saved = structuredClone(state)
        },
      },
      execute: (run, options) => this.work(run, options),
      onEvent: (event) => this.events.push(event),
      ...this.#setting,
      jobs: this.jobs,
    }
    this.done = runSchedule(parts, { signal: this.#stop.signal })
    return this
  }

  async work(run: ScheduledRun, { signal }: { readonly signal: AbortSignal }): Promise<ScheduledResult> {
    this.runs.push(`${run.job} ${run.task} ${run.slot.slice(11, 16)} x${run.slots} at ${run.beganAt.slice(11, 19)}`)
    this.running++
    this.most = Math.max(this.most, this.running)
    await this.clock.wait(this.#setting.takes ?? 1000, signal)
    this.running--
    if (signal.aborted) throw new BackupError('stopped', { code: 'ABORTED' })
    return resultOf(run)
  }

  async pass(milliseconds: number): Promise<void> {
    await this.time.run(this.clock.wait(milliseconds))
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.time.run(this.done ?? Promise.resolve())
  }

  of<Type extends ScheduleEvent['type']>(type: Type): Extract<ScheduleEvent, { type: Type }>[] {
    return this.events.filter((event): event is Extract<ScheduleEvent, { type: Type }> => event.type === type)
  }
}

const throwing = (): never => {
  throw new Error('no')
}

const failing = (error: unknown) => async (): Promise<never> => {
  throw error
}

describe('what goes wrong does not end it', () => {
  test.each([
    ['a state that cannot be read', { state: { load: failing(new Error('no')), save: failing(new Error('no')) } }],
    ['a listener that throws', { onEvent: throwing }],
    ['a history that cannot be recalled', { recall: failing(new BackupError('away', { code: 'UNREACHABLE' })) }],
  ] as const)('%s', async (_, setting) => {
    const machine = new Machine(setting).start()
    await machine.pass(30 * minutes)
    await machine.stop()
    expect(machine.runs).toHaveLength(2)
  })

  test('a run that fails is told, tried again after a wait that doubles, and given up', async () => {
    const retries = { times: 2, waitSeconds: 60 }
    const machine = new Machine({
      policies: [policyOf('shop', { full: '0 2 * * *' }, { retries })],
      execute: failing(new BackupError('server away', { code: 'UNREACHABLE', hint: 'Start it.' })),
    }).start()
    await machine.pass(60 * minutes)
    await machine.stop()
    expect(
      machine
        .of('run-ended')
        .map(({ run, outcome, retryAt, givenUp, failure }) => [
          run.attempt,
          run.beganAt.slice(11, 19),
          outcome,
          retryAt?.slice(11, 19),
          givenUp,
          failure?.message,
        ]),
    ).toEqual([
      [1, '02:00:00', 'failed', '02:01:00', false, 'server away'],
      [2, '02:01:00', 'failed', '02:03:00', false, 'server away'],
      [3, '02:03:00', 'failed', undefined, true, 'server away'],
    ])
  })

  test.each([
    [new BackupError('wrong', { code: 'WRONG_CREDENTIALS' }), 1, true],
    [new TypeError('a bug'), 6, false],
  ])('%s is tried as often as it may help', async (error, attempts, givenUp) => {
    const machine = new Machine({ policies: [policyOf('shop', { full: '0 2 * * *' })], execute: failing(error) }).start()
    await machine.pass(60 * minutes)
    await machine.stop()
    expect(machine.of('run-ended')).toHaveLength(attempts)
    expect(machine.of('run-ended').at(-1)).toMatchObject({
      givenUp,
      lasting: true,
      failure: { message: expect.stringContaining(error.message) },
    })
  })

  test('a slot is tried until its next one comes due, which takes its place: it lasts from the fourth time on', async () => {
    let running = 0
    const machine: Machine = new Machine({
      policies: [policyOf('shop', { full: '0 2,8 * * *' })],
      execute: async () => {
        if (++running > 1) throw new TypeError('two at once')
        await machine.clock.wait(1000)
        running--
        throw new BackupError('away', { code: 'UNREACHABLE' })
      },
    }).start()
    await machine.pass(6.25 * 60 * minutes)
    await machine.stop()
    const ended = machine.of('run-ended')
    expect(ended.map(({ run }) => `${run.beganAt.slice(11, 16)} ${run.slot.slice(11, 13)} x${run.slots} ${run.attempt}`)).toEqual([
      ...['02:00', '02:01', '02:03', '02:07', '02:15', '02:31', '03:03', '04:03', '05:03', '06:03', '07:03'].map(
        (at, index) => `${at} 02 x1 ${index + 1}`,
      ),
      '08:00 08 x2 1',
      '08:01 08 x2 2',
      '08:03 08 x2 3',
    ])
    expect(ended.map(({ lasting }) => lasting)).toEqual([...Array(3).fill(false), ...Array(8).fill(true), ...Array(3).fill(false)])
    expect(ended.some(({ givenUp }) => givenUp)).toBe(false)
    expect(ended[10]?.retryAt).toBe('2026-12-06T08:00:00.000Z')
  })

  test('a slot whose next one comes before its fourth attempt has failed lastingly too', async () => {
    const machine = new Machine({
      policies: [policyOf('shop', { log: '*/5 * * * *' })],
      execute: failing(new BackupError('away', { code: 'UNREACHABLE' })),
    }).start()
    await machine.pass(21 * minutes)
    await machine.stop()
    expect(
      machine
        .of('run-ended')
        .slice(0, 7)
        .map(({ run, lasting }) => [run.beganAt.slice(14, 16), lasting]),
    ).toEqual([
      ['55', false],
      ['56', false],
      ['58', true],
      ['00', false],
      ['01', false],
      ['03', true],
      ['05', false],
    ])
  })

  test('a slot that cannot be tried again before its next one, since its window has closed, has failed lastingly', async () => {
    const machine: Machine = new Machine({
      policies: [policyOf('shop', { full: '0 2 * * *' }, { windows: [{ from: '02:00', to: '03:00' }] })],
      execute: async () => {
        await machine.clock.wait(90 * minutes)
        throw new BackupError('away', { code: 'UNREACHABLE' })
      },
    }).start()
    await machine.pass(26 * 60 * minutes)
    await machine.stop()
    expect(machine.of('run-ended').map(({ run, lasting, retryAt }) => [run.slot, run.attempt, lasting, retryAt])).toEqual([
      ['2026-12-06T02:00:00.000Z', 1, true, '2026-12-07T02:00:00.000Z'],
      ['2026-12-07T02:00:00.000Z', 1, true, '2026-12-08T02:00:00.000Z'],
    ])
  })

  test.each([
    [14, [false, true]],
    [600, [true, true]],
  ])('a slot whose attempts fail after %d minutes each has failed lastingly after a quarter of an hour', async (takes, lasting) => {
    const machine: Machine = new Machine({
      policies: [policyOf('shop', { full: '0 2 * * 0' })],
      execute: async () => {
        await machine.clock.wait(takes * minutes)
        throw new BackupError('away', { code: 'UNREACHABLE' })
      },
    }).start()
    await machine.pass((2 * takes + 15) * minutes)
    await machine.stop()
    expect(
      machine
        .of('run-ended')
        .slice(0, 2)
        .map((event) => event.lasting),
    ).toEqual(lasting)
  })

  test('a slot that is tried again when a window opens is not', async () => {
    const windows = [
      { from: '02:00', to: '02:01' },
      { from: '02:10', to: '03:00' },
    ]
    const machine = new Machine({
      policies: [policyOf('shop', { full: '0 2 * * *' }, { windows })],
      execute: failing(new BackupError('away', { code: 'UNREACHABLE' })),
    }).start()
    await machine.pass(20 * minutes)
    await machine.stop()
    const ended = machine.of('run-ended').map(({ lasting, retryAt }) => [lasting, retryAt])
    expect(ended[0]).toEqual([false, '2026-12-06T02:10:00.000Z'])
  })

  test('a slot whose next one came due while it ran is tried again now, and not before', async () => {
    const machine: Machine = new Machine({
      policies: [policyOf('shop', { log: '*/5 * * * *' })],
      execute: async () => {
        await machine.clock.wait(7 * minutes)
        throw new BackupError('away', { code: 'UNREACHABLE' })
      },
    }).start()
    await machine.pass(13 * minutes)
    await machine.stop()
    expect(machine.of('run-ended')[0]).toMatchObject({ lasting: true, retryAt: '2026-12-06T02:02:00.000Z' })
  })

  test('a slot has failed lastingly at once where the one before it failed, was told to nobody, and found no place for another attempt', async () => {
    const machine: Machine = new Machine({
      policies: [policyOf('shop', { full: '*/10 * * * *' }), policyOf('long', { full: '0 2 * * *' })],
      concurrency: 1,
      execute: async (run) => {
        if (run.job === 'shop') throw new BackupError('away', { code: 'UNREACHABLE' })
        await machine.clock.wait(10.5 * minutes)
        return resultOf(run)
      },
    }).start()
    await machine.pass(31 * minutes)
    await machine.stop()
    const ended = machine.of('run-ended').filter(({ run }) => run.job === 'shop')
    expect(ended.map(({ run, lasting }) => [run.beganAt.slice(14, 19), run.attempt, lasting])).toEqual([
      ['00:00', 1, false],
      ['10:30', 1, true],
      ['11:30', 2, true],
      ['13:30', 3, true],
      ['17:30', 4, true],
      ['20:00', 1, false],
    ])
  })

  test('a mistake around a run is told, and does not keep the processor busy', async () => {
    const machine = new Machine({
      lease: async (job) => ({
        job,
        signal: new AbortController().signal,
        isHeld: () => true,
        release: failing(new TypeError('a bug')),
        [Symbol.asyncDispose]: failing(new TypeError('a bug')),
      }),
    }).start()
    await machine.pass(41 * minutes)
    await machine.stop()
    expect(machine.runs).toHaveLength(3)
    expect(machine.of('schedule-broken')).toHaveLength(3)
  })

  test('a run that ends with a failure of its own, such as a drill that does not pass, is told and not tried again', async () => {
    const failure = { severity: 'error', code: 'CORRUPTED', message: 'rows are missing', hint: 'Look at it.' } as const
    const machine = new Machine({
      policies: [policyOf('shop', { drill: '0 2 * * *' })],
      execute: async () => ({ outcome: 'failed', failure }),
    }).start()
    await machine.pass(60 * minutes)
    await machine.stop()
    expect(machine.of('run-ended')).toMatchObject([{ outcome: 'failed', failure, givenUp: true }])
  })

  test('a run that takes too long is stopped, and has failed', async () => {
    const machine = new Machine({
      policies: [policyOf('shop', { full: '0 2 * * *' }, { maximumDurationSeconds: 600, retries: { times: 0, waitSeconds: 1 } })],
      takes: 3_600_000,
    }).start()
    await machine.pass(60 * minutes)
    await machine.stop()
    expect(machine.of('run-ended')).toMatchObject([
      {
        outcome: 'failed',
        seconds: 600,
        givenUp: true,
        failure: { code: 'TIMED_OUT', message: 'the full of job "shop" took longer than 600 seconds, and was stopped' },
      },
    ])
  })
})

test('a run that is cut and slow to end has failed, though the schedule is stopped meanwhile', async () => {
  const machine: Machine = new Machine({
    policies: [policyOf('shop', { full: '0 2 * * *' }, { maximumDurationSeconds: 600 })],
    execute: async (_run, { signal }) => {
      await machine.clock.wait(3_600_000, signal)
      await machine.clock.wait(5 * minutes)
      throw abortError(signal, 'the backup')
    },
  }).start()
  await machine.pass(22 * minutes)
  await machine.stop()
  expect(machine.of('run-ended')).toMatchObject([
    { outcome: 'failed', retryAt: expect.any(String), failure: { code: 'TIMED_OUT', hint: expect.stringContaining('maximumDuration') } },
  ])
  expect(machine.saved?.jobs.shop?.tasks.full).toMatchObject({ attempts: { failures: 1 }, lastRun: { outcome: 'failed' } })
})

describe('runs', () => {
  test('begin at their slots, of one job never two at once, of several as many as may', async () => {
    const policies = ['a', 'b', 'c'].map((job) => policyOf(job, { full: '0 2 * * *', log: '*/15 * * * *' }))
    const machine = new Machine({ policies, takes: 10 * minutes, concurrency: 2 }).start()
    await machine.pass(75 * minutes)
    await machine.stop()
    expect(machine.most).toBe(3)
    expect(machine.runs.slice(0, 6)).toEqual([
      'a full 02:00 x1 at 02:00:00',
      'b full 02:00 x1 at 02:00:00',
      'c log 02:00 x1 at 02:00:00',
      'a log 02:00 x1 at 02:10:00',
      'b log 02:00 x1 at 02:10:00',
      'c full 02:00 x1 at 02:10:00',
    ])
  })

  test('that take long leave a place for the logs of other jobs, and logs none too few for what takes long', async () => {
    const names = ['a', 'b', 'c', 'd']
    const policies = names.map((job) => policyOf(job, { full: '0 2 * * *', log: '*/15 * * * *' }))
    let running: string[] = []
    const most = { full: 0, log: 0, all: 0 }
    const machine: Machine = new Machine({
      policies,
      concurrency: 2,
      execute: async (run, { signal }) => {
        running = [...running, run.task]
        const count = (task: string) => running.filter((each) => each === task).length
        most.full = Math.max(most.full, count('full'))
        most.log = Math.max(most.log, count('log'))
        most.all = Math.max(most.all, running.length)
        machine.runs.push(`${run.job} ${run.task}`)
        await machine.clock.wait(run.task === 'full' ? 300 * minutes : minutes, signal)
        running.splice(running.indexOf(run.task), 1)
        if (signal.aborted) throw new BackupError('stopped', { code: 'ABORTED' })
        return resultOf(run)
      },
    }).start()
    await machine.pass(10 * minutes + 295 * minutes)
    for (const job of ['c', 'd']) expect(machine.runs.filter((run) => run === `${job} log`).length).toBe(20)
    await machine.pass(30 * minutes)
    await machine.stop()
    for (const job of names) expect(machine.runs.filter((run) => run === `${job} full`)).toHaveLength(1)
    expect(most).toEqual({ full: 2, log: 1, all: 3 })
  })

  test('missed ones are made once after a restart, and none twice', async () => {
    const first = new Machine().start()
    await first.pass(26 * minutes)
    await first.stop()
    const second = new Machine({}, first.time, first.saved).start()
    await second.pass(60_000)
    await second.stop()
    await second.pass(60 * minutes)
    const third = new Machine({}, first.time, second.saved).start()
    await third.pass(10 * minutes)
    await third.stop()
    expect([...first.runs, ...second.runs, ...third.runs]).toEqual([
      'shop log 02:00 x1 at 02:00:00',
      'shop log 02:15 x1 at 02:15:00',
      'shop log 03:15 x4 at 03:17:00',
    ])
  })

  test('with the state gone, what the repository has is known', async () => {
    const daily = policyOf('shop', { full: '0 1 * * *', log: '*/15 * * * *' })
    const recall = async () =>
      rememberedHistory([backupOf('full', Date.parse('2026-12-04T01:00:05Z')), backupOf('log', Date.parse('2026-12-06T01:45:01Z'))], begin)
    const machine = new Machine({ policies: [daily], recall }).start()
    await machine.pass(5 * minutes)
    await machine.stop()
    expect(machine.runs).toEqual(['shop full 01:00 x2 at 01:50:00'])
  })

  test('after a lease only those backups are asked for that could settle something', async () => {
    const asked: (number | undefined)[] = []
    const machine: Machine = new Machine({
      policies: [policyOf('shop', { full: '0 3 * * *', log: '*/15 * * * *', drill: '0 5 * * *' })],
      lease: (job, options) =>
        acquireLease(createMemoryUploader(), { job, clock: machine.clock, owner: { host: 'db1', pid: 7, started: 'unknown' } }, options),
      recall: async (_job, { beganSince }) => {
        asked.push(beganSince)
        return rememberedHistory([backupOf('full', begin - 3 * 60 * minutes), backupOf('log', begin - 5 * minutes)], begin)
      },
    }).start()
    await machine.pass(30 * minutes)
    await machine.stop()
    expect(asked).toEqual([undefined, ...Array(2).fill(begin - 3 * 60 * minutes)])
  })

  test('with the state gone, a backup of a clock that stood a year ahead settles nothing', async () => {
    const recall = async () => rememberedHistory([backupOf('full', Date.parse('2027-12-06T00:00:00Z'))], begin)
    const machine = new Machine({ policies: [policyOf('shop', { full: '*/15 * * * *' })], recall }).start()
    await machine.pass(20 * minutes)
    await machine.stop()
    expect(machine.runs.length).toBeGreaterThan(0)
  })

  test('left out ones are told, where missed ones are not made up for', async () => {
    const policies = [policyOf('shop', { log: '*/15 * * * *' }, { runMissed: false })]
    const first = new Machine({ policies }).start()
    await first.pass(11 * minutes)
    await first.stop()
    await first.pass(60 * minutes)
    const second = new Machine({ policies }, first.time, first.saved).start()
    await second.pass(16 * minutes)
    await second.stop()
    expect(second.of('slots-left-out')).toEqual([
      { type: 'slots-left-out', job: 'shop', task: 'log', slot: '2026-12-06T03:00:00.000Z', slots: 4 },
    ])
    expect(second.runs).toEqual(['shop log 03:15 x1 at 03:15:00'])
  })

  test('go on when the jobs are replaced, and a new job begins with its next slot', async () => {
    const machine = new Machine({ takes: 5 * minutes }).start()
    await machine.pass(12 * minutes)
    machine.jobs.replace([policyOf('wiki', { full: '10 2 * * *' }), policyOf('shop', { log: '*/15 * * * *', drill: '20 2 * * *' })])
    await machine.pass(24 * minutes)
    await machine.stop()
    expect(machine.of('run-ended').map(({ run, outcome }) => `${run.job} ${run.task} ${outcome}`)).toEqual([
      'shop log done',
      'wiki full done',
      'shop log done',
      'shop drill done',
    ])
  })
})

test('an expression that is replaced begins with its next slot, also over a restart', async () => {
  const nightly = [policyOf('shop', { full: '0 2 * * *' })]
  const machine = new Machine({ policies: nightly }).start()
  await machine.pass(25 * minutes)
  machine.jobs.replace([policyOf('shop', { full: '5 2 * * *' })])
  await machine.pass(25 * minutes)
  await machine.stop()
  const next = new Machine({ policies: [policyOf('shop', { full: '30 2 * * *' })] }, machine.time, machine.saved).start()
  await next.pass(minutes)
  await next.stop()
  expect([...machine.runs, ...next.runs]).toEqual(['shop full 02:00 x1 at 02:00:00'])
})

describe('stopping', () => {
  test('lets what runs end within its grace', async () => {
    const machine = new Machine({ takes: 5 * minutes, graceSeconds: 600 }).start()
    await machine.pass(12 * minutes)
    await machine.stop()
    expect(machine.of('run-ended')).toMatchObject([{ outcome: 'done' }])
    expect(machine.time.time).toBe(15 * minutes)
  })

  test('aborts it after that, and it is made at once by who starts next', async () => {
    const machine = new Machine({ takes: 60 * minutes, graceSeconds: 60 }).start()
    await machine.pass(12 * minutes)
    await machine.stop()
    expect(machine.of('run-ended')).toMatchObject([{ outcome: 'aborted', givenUp: false }])
    const next = new Machine({}, machine.time, machine.saved).start()
    await next.pass(1000)
    await next.stop()
    expect(next.runs).toEqual(['shop log 02:00 x1 at 02:03:00'])
  })

  test('beforehand begins nothing', async () => {
    const machine = new Machine()
    await runSchedule(
      { jobs: machine.jobs, state: { load: failing(new Error()), save: failing(new Error()) }, execute: failing(new Error()) },
      { signal: AbortSignal.abort() },
    )
    expect(machine.runs).toEqual([])
  })
})

describe('with a lease', () => {
  const taken = leaseConflict('shop', 'process 7 on host db2')

  test('that somebody else holds, a run is deferred, and that is no failure', async () => {
    let held = true
    const uploader = createMemoryUploader()
    const machine: Machine = new Machine({
      lease: async (job, options) => {
        if (held) throw taken
        return await acquireLease(uploader, { job, clock: machine.clock, owner: { host: 'db1', pid: 7, started: 'unknown' } }, options)
      },
    }).start()
    await machine.pass(12 * minutes)
    held = false
    await machine.pass(minutes)
    await machine.stop()
    expect(machine.of('run-deferred').at(0)).toMatchObject({ seconds: 30, problem: { message: taken.message } })
    expect(machine.of('run-ended')).toMatchObject([{ outcome: 'done', run: { attempt: 1 } }])
    expect([...uploader.objects.keys()]).toEqual([])
  })

  test.each(['lease', 'execute'] as const)('another conflict than its own is a failure as any other, at the %s', async (part) => {
    const conflict = new BackupError('the repository is locked', { code: 'CONFLICT', retryable: true, hint: 'Unlock it.' })
    const machine = new Machine({
      policies: [policyOf('shop', { full: '0 2 * * *' }, { retries: { times: 2, waitSeconds: 60 } })],
      [part]: failing(conflict),
    }).start()
    await machine.pass(60 * minutes)
    await machine.stop()
    expect(machine.of('run-deferred')).toEqual([])
    expect(machine.of('run-ended')).toMatchObject([
      { outcome: 'failed', run: { attempt: 1 }, failure: { code: 'CONFLICT', hint: 'Unlock it.' } },
      { outcome: 'failed', run: { attempt: 2 } },
      { outcome: 'failed', run: { attempt: 3 }, givenUp: true },
    ])
  })

  test('that is lost, the run is stopped, and has failed', async () => {
    const uploader = createMemoryUploader()
    for (let occurrence = 2; occurrence < 30; occurrence++) uploader.injectFault({ operation: 'upload', occurrence, action: 'fail' })
    const machine: Machine = new Machine({
      takes: 60 * minutes,
      lease: (job, options) =>
        acquireLease(uploader, { job, clock: machine.clock, owner: { host: 'db1', pid: 7, started: 'unknown' } }, options),
    }).start()
    await machine.pass(15 * minutes)
    await machine.stop()
    expect(machine.of('run-ended')[0]).toMatchObject({
      outcome: 'failed',
      seconds: 200,
      failure: { code: 'CONFLICT', message: expect.stringContaining('was lost') },
    })
  })

  test('two machines with one configuration make each backup once, whatever their clocks and pauses', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 20_000 }),
        fc.array(fc.integer({ min: 500, max: 400_000 }), { minLength: 1, maxLength: 5 }),
        async (late, takes) => {
          const time = new VirtualTime()
          const objects = new Map<string, MemoryObject>()
          const backups: { kind: 'log'; slot: string; beganAt: number }[] = []
          const machines = [0, late].map((after, index): Machine => {
            const uploader = createMemoryUploader({ objects, now: () => new Date(time.time) })
            const machine: Machine = new Machine(
              {
                lease: (job, options) =>
                  acquireLease(uploader, { job, clock: machine.clock, owner: { host: `db${index}`, pid: 7, started: 'unknown' } }, options),
                recall: async () =>
                  rememberedHistory(
                    backups.map(({ kind, beganAt }) => backupOf(kind, beganAt)),
                    machine.clock.now(),
                  ),
                execute: async (run, { signal }) => {
                  await machine.clock.wait(takes[backups.length % takes.length] ?? 0, signal)
                  if (signal.aborted) throw new BackupError('stopped', { code: 'ABORTED' })
                  backups.push({ kind: 'log', slot: run.slot, beganAt: Date.parse(run.beganAt) })
                  return resultOf(run)
                },
              },
              time,
            )
            void time
              .clock()
              .wait(after)
              .then(() => machine.start())
            return machine
          })
          await time.run(time.clock().wait(130 * minutes))
          await Promise.all(machines.map((machine) => machine.stop()))
          expect(backups.map(({ slot }) => slot.slice(11, 16))).toEqual([
            '02:00',
            '02:15',
            '02:30',
            '02:45',
            '03:00',
            '03:15',
            '03:30',
            '03:45',
          ])
        },
      ),
      { numRuns: 15, seed: Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 2 ** 31) },
    )
  })
})
