import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Agent, Backup, Repository, Staging } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { RunEvent } from '../events/run-event.ts'
import { createStreamStaging } from '../staging/stream-staging.ts'
import { createMemoryAgent } from '../testing/memory-agent.ts'
import { createMemoryApplication, type MemoryApplication } from '../testing/memory-application.ts'
import { createMemoryRepository, type MemoryRepository } from '../testing/memory-repository.ts'
import { createMemoryStaging, type MemoryStaging } from '../testing/memory-staging.ts'
import { unreachable } from './__fixtures__/recording-parts.ts'
import { backUp } from './back-up.ts'
import { type FollowLogsParts, type FollowReport, followLogs } from './follow-logs.ts'

let server: MemoryApplication
let repository: MemoryRepository
let staging: MemoryStaging
let events: RunEvent[]
let controller: AbortController
beforeEach(() => {
  server = createMemoryApplication({ orders: 'none', stock: 'none' })
  repository = createMemoryRepository()
  staging = createMemoryStaging()
  events = []
  controller = new AbortController()
})
afterEach(() => controller.abort())

interface Watched {
  readonly ended: Promise<FollowReport>
  /** Resolves with the next event of the kind after those that were waited for, rejects when following ends before it. */
  next(type: RunEvent['type']): Promise<RunEvent>
}

function follow(changes: Partial<FollowLogsParts> = {}): Watched {
  const waiting: { readonly type: string; readonly resolve: (event: RunEvent) => void; readonly reject: (why: unknown) => void }[] = []
  const seen: RunEvent[] = []
  const onEvent = (event: RunEvent) => {
    events.push(event)
    const at = waiting.findIndex(({ type }) => type === event.type)
    if (at < 0) seen.push(event)
    else {
      seen.length = 0
      waiting.splice(at, 1)[0]?.resolve(event)
    }
  }
  const ended = followLogs(
    {
      agent: createMemoryAgent({ server }),
      repository,
      staging,
      job: 'shop',
      everySeconds: 0.01,
      pauseSeconds: { first: 0.01, longest: 0.02 },
      ...changes,
    },
    { signal: controller.signal, onEvent },
  )
  const give = (why: unknown) => {
    for (const { reject } of waiting) reject(why)
  }
  ended.then(() => give(new Error('following ended')), give)
  return {
    ended,
    async next(type) {
      const at = seen.findIndex((event) => event.type === type)
      if (at >= 0) return seen.splice(0, at + 1).at(-1) as RunEvent
      seen.length = 0
      return await new Promise((resolve, reject) => waiting.push({ type, resolve, reject }))
    },
  }
}

function stored(): Backup[] {
  return [...repository.place.records.values()].toSorted((a, b) => sequence(a) - sequence(b) || begin(a) - begin(b))
}

function sequence({ position }: Backup): number {
  return Number(position?.value.sequence)
}

function begin({ from }: Backup): number {
  return Number(from?.value.sequence ?? 0)
}

/** Whether every log begins where what is before it ends. */
function isWithoutGap(backups: readonly Backup[]): boolean {
  return backups.every(({ kind, from }, index) => kind === 'full' || from?.value.sequence === backups[index - 1]?.position?.value.sequence)
}

/** A repository that cannot be stored to as often as it is told. */
function failing(times: number, error: () => BackupError): Repository {
  let left = times
  return new Proxy(repository, {
    get(target, key) {
      if (key !== 'store') return Reflect.get(target, key)
      return (async (request, contents, options) => {
        if (request.run.kind !== 'log' || left-- <= 0) return await target.store(request, contents, options)
        throw error()
      }) satisfies Repository['store']
    },
  })
}

describe('following a server', () => {
  test('begins with what is due, stores what comes, and what had come when it is aborted', async () => {
    const { ended, next } = follow()
    await next('following')
    server.write('orders', 'one')
    await next('restorable')
    server.write('stock', 'two')
    await next('restorable')
    server.write('orders', 'three')
    controller.abort()
    const report = await ended
    const backups = stored()
    expect(backups.map(({ kind }) => kind)).toEqual(['full', 'log', 'log', 'log'])
    expect([isWithoutGap(backups), sequence(backups.at(-1) as Backup)]).toEqual([true, server.sequence])
    expect(report).toEqual({ stored: 4, restorableUntil: backups.at(-1)?.consistentAt, problems: [] })
    expect([server.log, [...server.sessions]]).toEqual([[], []])
    expect(events.filter(({ type }) => type === 'promoted')).toEqual([
      { type: 'promoted', asked: 'log', kind: 'full', reason: 'there is no full backup yet that could be continued' },
    ])
    const runs = events.filter(({ type }) => type === 'started' || type === 'finished')
    expect(runs.map(({ type }) => type)).toEqual(backups.flatMap(() => ['started', 'finished']))
  })

  test('goes on where another run of the job ended, and stores nothing while nothing comes', async () => {
    const parts = { agent: createMemoryAgent({ server }), repository, staging }
    await backUp({ ...parts, request: { job: 'shop', kind: 'full' } })
    server.write('orders', 'one')
    const { ended, next } = follow()
    await next('following')
    controller.abort()
    await ended
    expect(stored().map(({ kind }) => kind)).toEqual(['full', 'log'])
  })

  test('begins again after the server went away, with growing pauses, and nothing is lost', async () => {
    const { ended, next } = follow()
    await next('following')
    server.write('orders', 'one')
    await next('restorable')
    server.write('orders', 'two')
    server.stop()
    const first = await next('waiting')
    expect(first).toMatchObject({ seconds: 0.01, problem: { severity: 'warning', code: 'UNREACHABLE' } })
    expect(first).not.toHaveProperty('repeated')
    expect(await next('waiting')).toMatchObject({ seconds: 0.02, repeated: true })
    expect(await next('waiting')).toMatchObject({ seconds: 0.02, repeated: true })
    server.start()
    await next('following')
    server.write('orders', 'three')
    await next('restorable')
    controller.abort()
    await ended
    expect([isWithoutGap(stored()), sequence(stored().at(-1) as Backup)]).toEqual([true, server.sequence])
  })

  test('waits for a server that is not there when it begins', async () => {
    server.stop()
    const { ended, next } = follow()
    await next('waiting')
    server.start()
    await next('following')
    controller.abort()
    expect(await ended).toMatchObject({ stored: 1 })
  })

  test('keeps what could not be sent, and sends it first when the repository is there again', async () => {
    const { ended, next } = follow({ repository: failing(2, unreachable) })
    await next('following')
    server.write('orders', 'one')
    expect(await next('waiting')).toMatchObject({ problem: { code: 'UNREACHABLE', message: expect.stringContaining('nobody answers') } })
    await next('resuming')
    await next('following')
    controller.abort()
    await ended
    expect([isWithoutGap(stored()), sequence(stored().at(-1) as Backup)]).toEqual([true, server.sequence])
  })

  test('what is in the staging when it is killed is sent by the next run', async () => {
    const { ended, next } = follow({ repository: failing(1000, unreachable) })
    await next('following')
    server.write('orders', 'one')
    await next('waiting')
    const left = staging.crash()
    controller.abort()
    await expect(ended).rejects.toMatchObject({ code: 'ABORTED' })
    const { resumed } = await backUp({
      agent: createMemoryAgent({ server }),
      repository,
      staging: left,
      request: { job: 'shop', kind: 'log' },
    })
    expect(resumed.map(({ kind }) => kind)).toEqual(['log'])
    expect(isWithoutGap(stored())).toBe(true)
  })

  test('makes a full where the server no longer has what comes next', async () => {
    const { ended, next } = follow()
    await next('following')
    server.write('orders', 'one')
    server.truncateLog(server.sequence)
    expect(await next('waiting')).toMatchObject({ problem: { code: 'NOT_FOUND' } })
    await next('promoted')
    await next('following')
    controller.abort()
    await ended
    expect(stored().map(({ kind }) => kind)).toEqual(['full', 'full'])
  })

  test('waits while another run of the job stores, and that run is made beside it', async () => {
    const { ended, next } = follow()
    await next('following')
    const run = await staging.begin({ job: 'shop', id: 'other', beganAt: new Date().toISOString() })
    server.write('orders', 'one')
    await next('started')
    expect(await next('waiting')).toEqual({
      type: 'waiting',
      seconds: 1,
      problem: {
        severity: 'warning',
        code: 'CONFLICT',
        message: 'what has come is stored when another run of the job has ended: job "shop" is already being backed up by this process',
        hint: expect.any(String),
      },
    })
    expect(stored()).toHaveLength(1)
    await run[Symbol.asyncDispose]()
    await next('restorable')
    controller.abort()
    await ended
    expect(isWithoutGap(stored())).toBe(true)
  })
})

test('goes on each time that the server no longer has what comes next, though nothing was followed in between', async () => {
  const { ended, next } = follow()
  await next('following')
  for (let time = 0; time < 3; time++) {
    server.write('orders', `${time}`)
    server.truncateLog(server.sequence)
    await next('waiting')
    await next('following')
  }
  controller.abort()
  await ended
  expect(stored().map(({ kind }) => kind)).toEqual(['full', 'full', 'full', 'full'])
})

test('removes what a run had sent that was killed beside it, once it stores again', async () => {
  const removed: unknown[] = []
  const watched: Repository = new Proxy(repository, {
    get(target, key) {
      if (key !== 'removeUnfinished') return Reflect.get(target, key)
      return (async (filter, options) => {
        removed.push(filter)
        return await target.removeUnfinished(filter, options)
      }) satisfies Repository['removeUnfinished']
    },
  })
  let abandoned: string[] = []
  const withKilled: Staging = new Proxy(staging, {
    get(target, key) {
      if (key !== 'begin') return Reflect.get(target, key)
      return (async (run, options) => {
        const stage = await target.begin(run, options)
        const abandonedRuns = abandoned
        abandoned = []
        return new Proxy(stage, { get: (of, name) => (name === 'abandonedRuns' ? abandonedRuns : Reflect.get(of, name)) })
      }) satisfies Staging['begin']
    },
  })
  let failures = 1
  const failingOnce: Repository = new Proxy(watched, {
    get(target, key) {
      if (key !== 'store') return Reflect.get(target, key)
      return (async (request, contents, options) => {
        if (request.run.kind === 'log' && failures-- > 0) throw unreachable()
        return await target.store(request, contents, options)
      }) satisfies Repository['store']
    },
  })
  const { ended, next } = follow({ repository: failingOnce, staging: withKilled })
  await next('following')
  abandoned = ['killed']
  removed.length = 0
  server.write('orders', 'one')
  await next('waiting')
  await next('following')
  server.write('orders', 'two')
  await next('restorable')
  controller.abort()
  await ended
  expect(removed).toContainEqual({ olderThanSeconds: 0, job: 'shop', runs: ['killed'] })
})

test('tells the problems that the agent tells while it follows', async () => {
  const agent = createMemoryAgent({ server })
  const problem = { severity: 'warning', code: 'INCONSISTENT', message: 'it is not followed for now', hint: 'Wait.' } as const
  const telling: Agent = {
    ...agent,
    async *follow(request, options) {
      options?.onProgress?.({ type: 'problem', problem })
      yield* agent.follow?.(request, options) ?? []
    },
  }
  const { ended, next } = follow({ agent: telling })
  expect(await next('problem')).toEqual({ type: 'problem', problem })
  controller.abort()
  expect(await ended).toMatchObject({ problems: [problem] })
})

test('says each time that it waits for another reason than before', async () => {
  const reasons = ['nobody answers', 'nobody answers', 'it is overloaded']
  const agent = createMemoryAgent({ server })
  const beginCapture: Agent['beginCapture'] = (request, options) => {
    const reason = reasons.shift()
    if (reason === undefined) return agent.beginCapture(request, options)
    return Promise.reject(new BackupError(reason, { code: reason.startsWith('nobody') ? 'UNREACHABLE' : 'OVERLOADED' }))
  }
  const { ended, next } = follow({ agent: { ...agent, beginCapture } })
  await next('following')
  server.stop()
  await next('waiting')
  server.start()
  await next('following')
  controller.abort()
  await ended
  const waits = events.flatMap((event) => (event.type === 'waiting' ? [[event.problem.code, event.repeated ?? false]] : []))
  expect(waits.slice(0, 4)).toEqual([
    ['UNREACHABLE', false],
    ['UNREACHABLE', true],
    ['OVERLOADED', false],
    ['UNREACHABLE', false],
  ])
})

test('makes no full after the other where none of them can be followed', async () => {
  const agent = createMemoryAgent({ server })
  const full: Agent['beginCapture'] = (request, options) => agent.beginCapture({ ...request, kind: 'full' }, options)
  const unfollowed: Agent = {
    ...agent,
    beginCapture: full,
    async *follow() {
      yield* []
      throw new BackupError('it keeps no logs', { code: 'NOT_FOUND' })
    },
  }
  await expect(follow({ agent: unfollowed }).ended).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'it keeps no logs' })
  expect(stored().map(({ kind }) => kind)).toEqual(Array.from({ length: 5 }, () => 'full'))
})

describe('a server that is only waited for, or followed, before it no longer has what comes next', () => {
  let quarters = 0
  beforeEach(() => {
    const begun = performance.now.bind(performance)
    quarters = 0
    vi.spyOn(performance, 'now').mockImplementation(() => begun() + quarters * 15 * 60_000)
  })
  afterEach(() => void vi.restoreAllMocks())

  /** Never has what comes next, a quarter of an hour after it was asked. */
  function lostEachQuarter(says: boolean): Agent {
    const agent = createMemoryAgent({ server })
    return {
      ...agent,
      beginCapture: (request, options) => agent.beginCapture({ ...request, kind: 'full' }, options),
      async *follow(_request, { onProgress } = {}) {
        yield* []
        if (says) onProgress?.({ type: 'following' })
        quarters++
        if (quarters === 8) controller.abort()
        throw new BackupError('it was changed without its logs', { code: 'NOT_FOUND' })
      },
    }
  }

  test('makes no full after the other where none is followed, however long each is waited for', async () => {
    await expect(follow({ agent: lostEachQuarter(false) }).ended).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(stored()).toHaveLength(5)
  })

  test('makes another full each time where each was followed for a while', async () => {
    await expect(follow({ agent: lostEachQuarter(true) }).ended).rejects.toMatchObject({ code: 'ABORTED' })
    expect(stored()).toHaveLength(8)
  })
})

describe('following is refused', () => {
  test('while somebody else follows the job', async () => {
    const { ended, next } = follow()
    await next('following')
    await expect(follow().ended).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('already being followed') })
    controller.abort()
    await ended
  })

  test('while somebody else follows the job through a staging without a disk, but not while a run of it goes on', async () => {
    const streaming = createStreamStaging()
    const run = await streaming.begin({ job: 'shop', id: 'other', beganAt: new Date().toISOString() })
    const { ended, next } = follow({ staging: streaming })
    expect(await next('waiting')).toMatchObject({ problem: { code: 'CONFLICT' } })
    await run[Symbol.asyncDispose]()
    await next('following')
    await expect(follow({ staging: streaming }).ended).rejects.toMatchObject({ code: 'CONFLICT' })
    controller.abort()
    await ended
  })

  test.each<[string, (agent: Agent) => Partial<Agent>]>([
    ['UNSUPPORTED', () => ({ follow: undefined as never })],
    [
      'WRONG_CREDENTIALS',
      () => ({ beginCapture: () => Promise.reject(new BackupError('the password is wrong', { code: 'WRONG_CREDENTIALS' })) }),
    ],
    [
      'NOT_FOUND',
      () => ({
        async *follow() {
          yield* []
          throw new BackupError('the logs are gone', { code: 'NOT_FOUND' })
        },
      }),
    ],
  ])('with %s, where that does not pass by itself', async (code, change) => {
    const agent = createMemoryAgent({ server })
    await expect(follow({ agent: { ...agent, ...change(agent) } }).ended).rejects.toMatchObject({ code })
  })

  test('when it is aborted beforehand, without any effect', async () => {
    controller.abort()
    await expect(follow().ended).rejects.toMatchObject({ code: 'ABORTED' })
    expect([events, stored()]).toEqual([[], []])
  })

  test('behind a partial backup, since nothing can follow one', async () => {
    server.unreadable.add('stock')
    await expect(follow().ended).rejects.toMatchObject({ code: 'APPLICATION', message: expect.stringContaining('stock failed') })
  })
})

test('ends with what the agent says somebody has to put right, and makes no other full', async () => {
  const agent = createMemoryAgent({ server })
  const stuck: Agent = {
    ...agent,
    async *follow() {
      yield* []
      throw new BackupError('a restore was cut', { code: 'INCONSISTENT' })
    },
  }
  await expect(follow({ agent: stuck }).ended).rejects.toMatchObject({ code: 'INCONSISTENT', message: 'a restore was cut' })
  expect(stored()).toHaveLength(1)
})

describe('an abort', () => {
  test('waits for the last store only as long as the grace', async () => {
    const hangs: Repository = new Proxy(repository, {
      get(target, key) {
        if (key !== 'store') return Reflect.get(target, key)
        return (async (request, contents, options) => {
          if (request.run.kind !== 'log') return await target.store(request, contents, options)
          return await new Promise<never>((_, reject) => {
            options?.signal?.addEventListener('abort', () => reject(new BackupError('it was aborted', { code: 'ABORTED' })))
          })
        }) satisfies Repository['store']
      },
    })
    const { ended, next } = follow({ repository: hangs, graceSeconds: 0.01 })
    await next('following')
    server.write('orders', 'one')
    await next('captured')
    controller.abort()
    await expect(ended).rejects.toMatchObject({ code: 'ABORTED', hint: expect.stringContaining('staging') })
  })

  test('while it waits to begin again says that not all is stored', async () => {
    const { ended, next } = follow({ repository: failing(1000, unreachable), pauseSeconds: { first: 60, longest: 60 } })
    await next('following')
    server.write('orders', 'one')
    await next('waiting')
    controller.abort()
    await expect(ended).rejects.toMatchObject({
      code: 'ABORTED',
      message: expect.stringMatching(/^following job "shop" was aborted, and not all that had come could be stored: run \S+ is captured/),
    })
  })

  test('lets go of the job', async () => {
    const { ended, next } = follow({ staging: staging satisfies Staging })
    await next('following')
    controller.abort()
    await ended
    await (await staging.follow?.('shop'))?.[Symbol.asyncDispose]()
    expect(stored()).toHaveLength(1)
  })
})
