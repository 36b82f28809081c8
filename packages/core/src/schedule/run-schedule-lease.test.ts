import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BackupError } from '../errors/backup-error.ts'
import { createMemoryUploader, type MemoryObject } from '../testing/memory-uploader.ts'
import { backupOf } from './__fixtures__/listed-backups.ts'
import { failing, Machine, minutes, policyOf, resultOf } from './__fixtures__/schedule-machine.ts'
import { VirtualTime } from './__fixtures__/virtual-time.ts'
import { acquireLease } from './acquire-lease.ts'
import { leaseConflict } from './lease-conflict.ts'
import { rememberedHistory } from './schedule-history.ts'

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
