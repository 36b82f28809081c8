import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  BackupError,
  type Command,
  type CommandRunner,
  currentOwner,
  ownedName,
  type RunEvent,
  type ScheduledResult,
  type ScheduledRun,
} from '@backup-planet/core'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createSecretMask } from '../configuration/secret-mask.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { lockDaemon, runningDaemon } from './daemon-lock.ts'
import { allObservers, type ToldRunEvent } from './daemon-observer.ts'
import type { DaemonTask, DaemonTasks } from './daemon-task.ts'
import { doScheduled } from './daemon-work.ts'
import { scheduleStateFile, scheduleStateStore } from './schedule-state-file.ts'
import { createServiceNotifier } from './service-notifier.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'daemon-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe('the state file', () => {
  const store = () => scheduleStateStore(join(directory, 'staging'))
  const lastRun = { slot: 1, beganAt: 2, endedAt: 3, outcome: 'failed' as const }
  const attempts = { slot: 1, failures: 1, interruptions: 0, notBefore: 9, failingSince: 2, lasting: true, untoldBefore: true } as const
  const state = {
    jobs: {
      shop: {
        watchedSince: 1,
        tasks: {
          full: { settledUntil: 0, attempts, lastRun, schedule: { expression: '0 2 * * *', timezone: 'UTC' } },
          log: { settledUntil: 5, running: { slot: 5, beganAt: 6 } },
        },
      },
    },
  }

  test.each([
    '',
    '{',
    '[]',
    '{"format":"backup-planet/schedule-state/9","jobs":{}}',
    '{"format":"backup-planet/schedule-state/1","jobs":{"shop":{"tasks":{"full":{}}}}}',
  ])('with %j in it is none', async (text) => {
    await store().save({ jobs: {} })
    await writeFile(scheduleStateFile(join(directory, 'staging')), text)
    expect(await store().load()).toBeUndefined()
  })

  test('comes back as it was saved, and may be gone', async () => {
    expect(await store().load()).toBeUndefined()
    await store().save({ jobs: {} })
    await store().save(state)
    expect(await store().load()).toEqual(state)
    expect(await readdir(join(directory, 'staging'))).toEqual(['schedule.json'])
    expect(await readFile(scheduleStateFile(join(directory, 'staging')), 'utf8')).toContain('"format": "backup-planet/schedule-state/1"')
  })
})

describe('the lock of a daemon', () => {
  test('of a process that is gone is taken over; of another host it does not count', async () => {
    const owner = await currentOwner()
    await writeFile(join(directory, ownedName('daemon', { ...owner, pid: 2 ** 22 + 1 })), '')
    await writeFile(join(directory, ownedName('daemon', { ...owner, host: 'elsewhere' })), '')
    {
      await using _lock = await lockDaemon(directory)
      expect(await runningDaemon(directory)).toEqual(owner)
      await expect(lockDaemon(directory)).rejects.toMatchObject({ code: 'CONFLICT', hint: expect.stringContaining('SIGHUP') as string })
    }
    expect(await runningDaemon(directory)).toBeUndefined()
    expect(await readdir(directory)).toHaveLength(1)
    expect(await runningDaemon(join(directory, 'nowhere'))).toBeUndefined()
  })
})

describe('what systemd is told', () => {
  const notifierOf = (environment: Record<string, string>, run: CommandRunner['run']) => {
    const warnings: string[] = []
    return { notifier: createServiceNotifier({ environment, runner: { run }, warn: (text) => warnings.push(text) }), warnings }
  }
  const collecting = (told: string[][]) => async (command: Command) => {
    told.push([command.command, ...command.arguments])
    return { exitCode: 0, signal: null, stdout: '', stderr: '', stdoutOmittedBytes: 0, stdoutEnded: true }
  }

  test('is nothing where it does not listen', async () => {
    const told: string[][] = []
    const { notifier } = notifierOf({}, collecting(told))
    notifier.ready()
    notifier.status('x')
    await notifier.said()
    expect(told).toEqual([])
  })

  test('goes by its own command, in order, a status once', async () => {
    const told: string[][] = []
    const { notifier } = notifierOf({ NOTIFY_SOCKET: '/run/x' }, collecting(told))
    notifier.ready()
    notifier.status('next at\n12')
    notifier.status('next at\n12')
    notifier.reloading()
    notifier.stopping()
    await notifier.said()
    expect(told).toEqual([
      ['systemd-notify', 'READY=1'],
      ['systemd-notify', 'STATUS=next at 12'],
      ['systemd-notify', 'RELOADING=1', expect.stringMatching(/^MONOTONIC_USEC=\d+$/)],
      ['systemd-notify', 'STOPPING=1'],
    ])
  })

  test('that it cannot be told is said once', async () => {
    const { notifier, warnings } = notifierOf({ NOTIFY_SOCKET: '/run/x' }, async () => {
      throw new BackupError('there is no program systemd-notify', { code: 'NOT_FOUND' })
    })
    notifier.ready()
    notifier.stopping()
    await notifier.said()
    expect(warnings).toEqual(['systemd cannot be told what goes on: there is no program systemd-notify'])
  })

  test('a watchdog hears twice in its time that all is well, while it is, and not when it is for another process', async () => {
    vi.useFakeTimers()
    try {
      const told: string[][] = []
      const { notifier } = notifierOf(
        { NOTIFY_SOCKET: '/run/x', WATCHDOG_USEC: '20000000', WATCHDOG_PID: String(process.pid) },
        collecting(told),
      )
      let well = true
      using _watchdog = notifier.watch(() => well)
      using _others = notifierOf(
        { NOTIFY_SOCKET: '/run/x', WATCHDOG_USEC: '20000000', WATCHDOG_PID: '1' },
        collecting(told),
      ).notifier.watch(() => true)
      await vi.advanceTimersByTimeAsync(30_000)
      expect(told).toHaveLength(3)
      well = false
      await vi.advanceTimersByTimeAsync(30_000)
      expect(told).toEqual(Array(3).fill(['systemd-notify', 'WATCHDOG=1']))
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('what is due is done', () => {
  const run: ScheduledRun = {
    job: 'shop',
    task: 'full',
    slot: '2026-12-06T02:00:00.000Z',
    slots: 1,
    attempt: 1,
    beganAt: '2026-12-06T02:00:00.000Z',
  }
  const workspaceOf = (job: object) => ({ configuration: { job: () => job } }) as unknown as Workspace
  const resuming: RunEvent = { type: 'resuming', id: '1' }
  const made: ScheduledResult = { outcome: 'done', backup: { id: '1', kind: 'full', consistentAt: run.beganAt, bytes: 1, failedItems: [] } }
  const backup: DaemonTask = {
    run: async (_run, { onEvent }) => {
      onEvent(resuming)
      return made
    },
  }

  async function done(job: object, tasks: DaemonTasks, done: ScheduledRun = run) {
    const told: ToldRunEvent[] = []
    const broken = { onRunEvent: () => expect.unreachable() }
    const observers = allObservers([broken, { onRunEvent: (event) => told.push(event) }])
    const result = await doScheduled(done, {
      tasks,
      workspace: workspaceOf(job),
      signal: new AbortController().signal,
      mask: createSecretMask(),
      now: Date.now,
      observers: () => observers,
    })
    return { result, told }
  }

  test('and told with the job and task, though a listener throws', async () => {
    expect(await done({}, { full: backup })).toEqual({
      result: made,
      told: [{ job: 'shop', task: 'full', event: resuming }],
    })
  })

  test.each([
    ['after a full', { retention: { keepLast: 3 } }, 1],
    ['not where it has a time of its own', { retention: { keepLast: 3 }, schedule: { prune: '0 6 * * 0' } }, 0],
    ['not without rules', { schedule: {} }, 0],
  ])('retention is applied: %s', async (_, job, times) => {
    const pruned: ScheduledRun[] = []
    await done(job, {
      full: backup,
      prune: {
        run: async (each) => {
          pruned.push(each)
          return { outcome: 'done' }
        },
      },
    })
    expect(pruned).toHaveLength(times)
    expect(pruned.every(({ task }) => task === 'prune')).toBe(true)
  })

  test('not after a log', async () => {
    const log: DaemonTask = { run: async () => ({ outcome: 'done' as const }) }
    const prune: DaemonTask = { run: () => expect.unreachable() }
    expect((await done({ retention: {} }, { log, prune }, { ...run, task: 'log' })).result).toEqual({ outcome: 'done' as const })
  })

  test('retention that fails is told, and the backup is made all the same', async () => {
    const prune: DaemonTask = {
      run: async () => {
        throw new BackupError('the store is away', { code: 'UNREACHABLE' })
      },
    }
    const { result, told } = await done({ retention: {} }, { full: backup, prune })
    expect(result).toEqual(made)
    expect(told.at(-1)?.event).toMatchObject({ type: 'problem', problem: { severity: 'warning', code: 'UNREACHABLE' } })
  })
})
