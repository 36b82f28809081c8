import { describe, expect, test } from 'vitest'
import { BackupError } from '../errors/backup-error.ts'
import { createMemoryUploader } from '../testing/memory-uploader.ts'
import { backupOf } from './__fixtures__/listed-backups.ts'
import { begin, failing, Machine, minutes, policyOf, resultOf } from './__fixtures__/schedule-machine.ts'
import { acquireLease } from './acquire-lease.ts'
import { runSchedule } from './run-schedule.ts'
import { rememberedHistory } from './schedule-history.ts'

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
