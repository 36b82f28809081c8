import { hostname } from 'node:os'
import { BackupError, type Uploader } from '@backup-planet/core'
import { createMemoryUploader, type MemoryUploader } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createMasterKey } from './crypto/master-key.ts'
import type { LockRecord } from './format/lock-record.ts'
import { storageIdOf } from './format/storage-id.ts'
import type { OpenRepository } from './repository-access.ts'
import { findLocks, type LockClock, lockRepository, removeLocks } from './repository-lock.ts'
import { writeNamedObject, writeSealedJson } from './repository-objects.ts'

const minute = 60_000
const key = createMasterKey()
const unreachable = new BackupError('the store is gone', { code: 'UNREACHABLE', hint: 'Try again.' })

afterEach(() => {
  vi.restoreAllMocks()
})

describe('two who lock a repository', () => {
  it.each([
    [false, false, true],
    [false, true, false],
    [true, false, false],
    [true, true, false],
  ])('exclusively %s and %s, one behind the other: both get it %s', async (first, second, both) => {
    const { repository, another, clock, uploader } = place()
    await using _ = await lockRepository(repository, { exclusive: first, clock }, {})
    const attempt = lockRepository(another, { exclusive: second, clock }, {})
    if (both) {
      await using _other = await attempt
      expect(locksIn(uploader)).toHaveLength(2)
    } else {
      await expect(attempt).rejects.toMatchObject({ code: 'CONFLICT', retryable: true })
      expect(locksIn(uploader)).toHaveLength(1)
    }
  })

  it('at once never both get it when one of them wants it alone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(fc.boolean(), { minLength: 2, maxLength: 3 }), async (scheduler, exclusive) => {
        const { repository, uploader } = place()
        const scheduled = { ...repository, uploader: scheduledUploader(uploader, scheduler) }
        const clock: LockClock = { now: Date.now, every: () => () => undefined, sleep: () => scheduler.schedule(Promise.resolve()) }
        const attempts = exclusive.map((alone) =>
          lockRepository(scheduled, { exclusive: alone, clock }, {}).then(
            (lock) => ({ lock, alone }),
            (error: unknown) => {
              expect(error).toMatchObject({ code: 'CONFLICT' })
              return undefined
            },
          ),
        )
        const held = (await scheduler.waitFor(Promise.all(attempts))).filter((attempt) => attempt !== undefined)
        if (held.some(({ alone }) => alone)) expect(held).toHaveLength(1)
        if (exclusive.every((alone) => !alone)) expect(held).toHaveLength(exclusive.length)
        expect(locksIn(uploader)).toHaveLength(held.length)
        await scheduler.waitFor(Promise.all(held.map(({ lock }) => lock[Symbol.asyncDispose]())))
        expect(locksIn(uploader)).toEqual([])
      }),
    )
  })

  it('are told who is in the way', async () => {
    const { repository, another, clock } = place()
    await using _ = await lockRepository(repository, { exclusive: false, clock }, {})
    await expect(lockRepository(another, { exclusive: true, clock }, {})).rejects.toThrow(
      new RegExp(`is locked by .* on ${hostname()}, process ${process.pid}, since 2026-01-01T.*, and has to be ours alone for this`),
    )
    await using _other = await lockRepository(another, { exclusive: false, clock }, {})
  })

  it('are told how to remove a lock that is not stale yet', async () => {
    const { repository, another, clock } = place()
    await using _ = await lockRepository(repository, { exclusive: true, clock }, {})
    await expect(lockRepository(another, { exclusive: false, clock }, {})).rejects.toMatchObject({
      hint: expect.stringContaining('backup-planet unlock --all'),
    })
  })

  it('leave nothing behind when they give up', async () => {
    const { repository, another, clock, uploader } = place()
    {
      await using _ = await lockRepository(repository, { exclusive: true, clock }, {})
      await expect(lockRepository(another, { exclusive: false, clock }, {})).rejects.toMatchObject({ code: 'CONFLICT' })
    }
    expect(locksIn(uploader)).toEqual([])
  })
})

describe('waiting for a lock', () => {
  it('gets it as soon as the other lets go', async () => {
    const { repository, another, clock } = place()
    const other = await lockRepository(repository, { exclusive: true, clock }, {})
    const began = clock.time
    clock.onSleep = async () => {
      if (clock.time - began > 5 * minute) await other[Symbol.asyncDispose]()
    }
    await using lock = await lockRepository(another, { exclusive: true, waitMilliseconds: 60 * minute, clock }, {})
    await lock.assertHeld({})
    expect(clock.time - began).toBeGreaterThan(5 * minute)
    expect(clock.time - began).toBeLessThan(6 * minute)
  })

  it('ends at the deadline', async () => {
    const { repository, another, clock } = place()
    await using _ = await lockRepository(repository, { exclusive: true, clock }, {})
    const began = clock.time
    const attempt = lockRepository(another, { exclusive: true, waitMilliseconds: 7 * minute, clock }, {})
    await expect(attempt).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(clock.time - began).toBeGreaterThanOrEqual(7 * minute)
    expect(clock.time - began).toBeLessThan(7 * minute + 1000)
  })

  it('ends with ABORTED when it is aborted, and not with what it waited for', async () => {
    const { repository, another, clock, uploader } = place()
    await using _ = await lockRepository(repository, { exclusive: true, clock }, {})
    const controller = new AbortController()
    clock.onSleep = async () => controller.abort()
    const attempt = lockRepository(another, { exclusive: true, waitMilliseconds: minute, clock }, { signal: controller.signal })
    await expect(attempt).rejects.toMatchObject({ code: 'ABORTED' })
    expect(locksIn(uploader)).toHaveLength(1)
  })

  it('ends with ABORTED between writing the lock and having it, and leaves nothing', async () => {
    const { repository, clock, uploader } = place()
    const controller = new AbortController()
    clock.onSleep = async () => {
      expect(locksIn(uploader)).toHaveLength(1)
      controller.abort()
    }
    await expect(lockRepository(repository, { exclusive: true, clock }, { signal: controller.signal })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    expect(locksIn(uploader)).toEqual([])
  })

  it('does nothing when it was aborted beforehand', async () => {
    const { repository, clock, uploader } = place()
    await expect(lockRepository(repository, { exclusive: true, clock }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    expect(uploader.calls.upload).toBe(0)
  })
})

describe('a lock of somebody else', () => {
  it('is stale after thirty minutes, and cleared away', async () => {
    const { repository, clock, uploader } = place()
    await writeLock(repository, { time: clock.time, hostname: 'elsewhere' })
    clock.time += 30 * minute - 1000
    await expect(lockRepository(repository, { exclusive: false, clock }, {})).rejects.toMatchObject({ code: 'CONFLICT' })
    clock.time += 1000
    await using lock = await lockRepository(repository, { exclusive: true, clock }, {})
    expect(locksIn(uploader)).toHaveLength(1)
    await lock.assertHeld({})
  })

  it('is stale at once when its process on this host is dead', async () => {
    const { repository, clock } = place()
    const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
      throw Object.assign(new Error('kill ESRCH'), { code: 'ESRCH' })
    })
    await writeLock(repository, { time: clock.time, pid: 4711 })
    await using lock = await lockRepository(repository, { exclusive: true, clock }, {})
    expect(kill).toHaveBeenCalledWith(4711, 0)
    await lock.assertHeld({})
  })

  it.each([
    ['its process lives', { pid: process.pid }],
    ['it names no process', { pid: 0 }],
    ['its process is on another host', { pid: 2 ** 30, hostname: 'elsewhere' }],
    ['its clock is an hour ahead', { time: Date.parse('2026-01-01T01:00:00Z'), hostname: 'elsewhere' }],
  ])('is not stale when %s', async (_, record) => {
    const { repository, clock } = place()
    await writeLock(repository, { time: clock.time, ...record })
    await expect(lockRepository(repository, { exclusive: false, clock }, {})).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  it('is not stale when its process is of another user, whom we may not ask', async () => {
    const { repository, clock } = place()
    vi.spyOn(process, 'kill').mockImplementation(() => {
      throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' })
    })
    await writeLock(repository, { time: clock.time, pid: 4711 })
    await expect(lockRepository(repository, { exclusive: false, clock }, {})).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  it.each([
    ['is no lock', (repository: OpenRepository) => writeNamedObject(repository.uploader, 'locks', Buffer.from('garbage'), {})],
    ['says nothing that is one', (repository: OpenRepository) => writeSealedJson(repository, 'locks', '{"exclusive":false}', {})],
    ['has no time', (repository: OpenRepository) => writeSealedJson(repository, 'locks', '{"exclusive":false,"time":"soon"}', {})],
  ])('that %s counts as an exclusive one, whenever it was written', async (_, write) => {
    const { repository, clock, uploader } = place()
    await write(repository)
    clock.time += 24 * 60 * minute
    await expect(lockRepository(repository, { exclusive: false, clock }, {})).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('is locked exclusively by an unreadable lock'),
      hint: expect.stringContaining('backup-planet unlock --all'),
    })
    expect(await removeLocks(repository, 'stale', {})).toBe(0)
    expect(await removeLocks(repository, 'all', {})).toBe(1)
    expect(locksIn(uploader)).toEqual([])
  })

  it('is passed over when it goes while it is being read', async () => {
    const { repository, clock, uploader } = place()
    const id = await writeLock(repository, { time: clock.time })
    const list: Uploader['list'] = async function* (prefix, options) {
      for await (const object of uploader.list(prefix, options)) {
        uploader.objects.delete(`locks/${id}`)
        yield object
      }
    }
    await using lock = await lockRepository({ ...repository, uploader: { ...uploader, list } }, { exclusive: true, clock }, {})
    await lock.assertHeld({})
  })

  it('that the store does not give is no lock that is passed over', async () => {
    const { repository, clock, uploader } = place()
    await writeLock(repository, { time: clock.time })
    uploader.injectFault({ operation: 'download', occurrence: 1, action: 'fail', error: unreachable })
    await expect(lockRepository(repository, { exclusive: false, clock }, {})).rejects.toBe(unreachable)
  })

  it('is told of with what it says', async () => {
    const { repository, clock } = place()
    const id = await writeLock(repository, { time: clock.time, hostname: 'elsewhere', username: 'eva', pid: 3, exclusive: false })
    expect(await findLocks(repository, {}, clock)).toEqual([
      { id, time: new Date(clock.time).toISOString(), hostname: 'elsewhere', username: 'eva', pid: 3, exclusive: false, stale: false },
    ])
  })
})

describe('a lock that is held', () => {
  it('is written anew every five minutes, without a moment in which there is none', async () => {
    const { repository, clock, uploader } = place()
    const watched = { ...repository, uploader: watchedUploader(uploader) }
    await using lock = await lockRepository(watched, { exclusive: true, clock }, {})
    const [first] = locksIn(uploader)
    await clock.pass(6 * minute)
    expect(locksIn(uploader)).toHaveLength(1)
    expect(locksIn(uploader)).not.toContain(first)
    await clock.pass(3 * 60 * minute)
    await lock.assertHeld({})
    expect(locksIn(uploader)).toHaveLength(1)
    expect(uploader.calls.upload).toBeGreaterThan(30)
    expect(uploader.calls.upload).toBeLessThan(40)
    expect(watched.uploader.fewest()).toBe(1)
  })

  it('never looks stale to others while it is refreshed', async () => {
    const { repository, another, clock } = place()
    await using _ = await lockRepository(repository, { exclusive: true, clock }, {})
    for (let passed = 0; passed < 180; passed++) {
      await clock.pass(minute)
      expect((await findLocks(another, {}, clock)).map(({ stale }) => stale)).toEqual([false])
    }
  })

  it('survives that refreshing fails for a while', async () => {
    const { repository, clock, uploader } = place()
    const broken = breakableUploader(uploader)
    await using lock = await lockRepository({ ...repository, uploader: broken.uploader }, { exclusive: true, clock }, {})
    broken.isBroken = true
    await clock.pass(20 * minute)
    expect(lock.lost.aborted).toBe(false)
    broken.isBroken = false
    await clock.pass(6 * minute)
    await lock.assertHeld({})
    await clock.pass(30 * minute)
    await lock.assertHeld({})
    expect(locksIn(uploader)).toHaveLength(1)
  })

  it('is lost when refreshing fails for long, before others take it for stale', async () => {
    const { repository, another, clock, uploader } = place()
    const broken = breakableUploader(uploader)
    await using lock = await lockRepository({ ...repository, uploader: broken.uploader }, { exclusive: true, clock }, {})
    broken.isBroken = true
    await clock.passUntil(() => lock.lost.aborted)
    expect((await findLocks(another, {}, clock)).map(({ stale }) => stale)).toEqual([false])
    expect(lock.lost.reason).toMatchObject({
      code: 'CONFLICT',
      retryable: true,
      message: expect.stringMatching(/could not be refreshed for 2\d minutes/),
    })
    await expect(lock.assertHeld({})).rejects.toBe(lock.lost.reason)
    broken.isBroken = false
    await clock.pass(10 * minute)
    await expect(lock.assertHeld({})).rejects.toBe(lock.lost.reason)
  })

  it('is lost in time also when refreshing hangs', async () => {
    const { repository, another, clock, uploader } = place()
    await using lock = await lockRepository(repository, { exclusive: true, clock }, {})
    uploader.injectFault({ operation: 'upload', occurrence: 2, action: 'stall' })
    await clock.passUntil(() => lock.lost.aborted)
    expect((await findLocks(another, {}, clock)).map(({ stale }) => stale)).toEqual([false])
    expect(uploader.calls.upload).toBe(2)
  })

  it('is lost when the machine slept for an hour, whoever notices first', async () => {
    const { repository, another, clock } = place()
    await using asked = await lockRepository(repository, { exclusive: false, clock }, {})
    await using waiting = await lockRepository(another, { exclusive: false, clock }, {})
    clock.time += 60 * minute
    await expect(asked.assertHeld({})).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('60 minutes') })
    await clock.pass(minute)
    expect(asked.lost.aborted).toBe(true)
    expect(waiting.lost.aborted).toBe(true)
  })

  it('is lost when somebody removed it', async () => {
    const { repository, another, clock } = place()
    await using lock = await lockRepository(repository, { exclusive: false, clock }, {})
    expect(await removeLocks(another, 'all', {})).toBe(1)
    await expect(lock.assertHeld({})).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('somebody removed it') })
    expect(lock.lost.aborted).toBe(true)
  })

  it('is lost also when nobody looked until it was to be refreshed: another may have had the repository alone meanwhile', async () => {
    const { repository, another, clock, uploader } = place()
    await using lock = await lockRepository(repository, { exclusive: false, clock }, {})
    await removeLocks(another, 'all', {})
    await clock.pass(6 * minute)
    expect(lock.lost.aborted).toBe(true)
    await expect(lock.assertHeld({})).rejects.toMatchObject({ message: expect.stringContaining('somebody removed it') })
    await lock[Symbol.asyncDispose]()
    expect(locksIn(uploader)).toEqual([])
  })

  it('is held also when it is refreshed at the very moment of being looked for', async () => {
    const { repository, clock, uploader } = place()
    const stat: Uploader['stat'] = async (name, options) => {
      const found = await uploader.stat(name, options)
      if (asking && found !== undefined) {
        asking = false
        await clock.pass(6 * minute)
        return await uploader.stat(name, options)
      }
      return found
    }
    let asking = false
    await using lock = await lockRepository({ ...repository, uploader: { ...uploader, stat } }, { exclusive: false, clock }, {})
    asking = true
    await lock.assertHeld({})
    expect(asking).toBe(false)
    expect(lock.lost.aborted).toBe(false)
  })

  it('can be asked by who is aborted meanwhile', async () => {
    const { repository, clock, uploader } = place()
    await using lock = await lockRepository(repository, { exclusive: false, clock }, {})
    uploader.injectFault({ operation: 'upload', occurrence: 2, action: 'stall' })
    await clock.pass(6 * minute)
    const controller = new AbortController()
    const asked = lock.assertHeld({ signal: controller.signal })
    controller.abort()
    await expect(asked).rejects.toMatchObject({ code: 'ABORTED' })
    expect(lock.lost.aborted).toBe(false)
  })
})

describe('letting go of a lock', () => {
  it('leaves nothing, and may be done twice', async () => {
    const { repository, clock, uploader } = place()
    const lock = await lockRepository(repository, { exclusive: true, clock }, {})
    await lock[Symbol.asyncDispose]()
    await lock[Symbol.asyncDispose]()
    expect(locksIn(uploader)).toEqual([])
    expect(uploader.calls.remove).toBe(1)
    await clock.pass(60 * minute)
    expect(locksIn(uploader)).toEqual([])
  })

  it('leaves nothing while it is being refreshed, however far that has come', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const { repository, clock, uploader } = place()
        const scheduled = { ...repository, uploader: scheduledUploader(uploader, scheduler) }
        const lock = await scheduler.waitFor(lockRepository(scheduled, { exclusive: true, clock }, {}))
        clock.time += 6 * minute
        clock.tick()
        const disposed = scheduler.schedule(Promise.resolve()).then(() => lock[Symbol.asyncDispose]())
        await scheduler.waitFor(disposed)
        expect(locksIn(uploader)).toEqual([])
      }),
    )
  })

  it('does not wait for a refresh that hangs', async () => {
    const { repository, clock, uploader } = place()
    const lock = await lockRepository(repository, { exclusive: true, clock }, {})
    uploader.injectFault({ operation: 'upload', occurrence: 2, action: 'stall' })
    await clock.pass(6 * minute)
    await lock[Symbol.asyncDispose]()
    expect(locksIn(uploader)).toEqual([])
  })

  it('leaves nothing of a refresh that could not remove what was before, or was stored without saying so', async () => {
    const { repository, clock, uploader } = place()
    const silent: Uploader['upload'] = async (name, content, options) => {
      const stored = await uploader.upload(name, content, options)
      if (uploader.calls.upload === 2) throw unreachable
      return stored
    }
    const lock = await lockRepository({ ...repository, uploader: { ...uploader, upload: silent } }, { exclusive: true, clock }, {})
    await clock.pass(5 * minute)
    expect(uploader.calls.upload).toBe(2)
    uploader.injectFault({ operation: 'remove', occurrence: 1, action: 'fail', error: unreachable })
    await clock.pass(2 * minute)
    expect(uploader.calls.remove).toBe(1)
    await lock.assertHeld({})
    await lock[Symbol.asyncDispose]()
    expect(locksIn(uploader)).toEqual([])
  })

  it('is no failure of what was done with it when the store does not answer: it ends by itself', async () => {
    const { repository, clock, uploader } = place()
    const lock = await lockRepository(repository, { exclusive: true, clock }, {})
    uploader.injectFault({ operation: 'remove', occurrence: 1, action: 'fail', error: unreachable })
    await lock[Symbol.asyncDispose]()
    expect(locksIn(uploader)).toHaveLength(1)
  })

  it('leaves nothing when writing it was not acknowledged', async () => {
    const { repository, clock, uploader } = place()
    const upload: Uploader['upload'] = async (name, content, options) => {
      await uploader.upload(name, content, options)
      throw unreachable
    }
    await expect(lockRepository({ ...repository, uploader: { ...uploader, upload } }, { exclusive: true, clock }, {})).rejects.toBe(
      unreachable,
    )
    expect(uploader.calls.upload).toBe(1)
    expect(locksIn(uploader)).toEqual([])
  })
})

describe('unlocking', () => {
  it('removes what is stale, or all', async () => {
    const { repository, uploader } = place()
    const now = Date.now()
    await writeLock(repository, { time: now - 31 * minute, hostname: 'elsewhere' })
    await writeLock(repository, { time: now, hostname: 'elsewhere' })
    expect(await removeLocks(repository, 'stale', {})).toBe(1)
    expect(locksIn(uploader)).toHaveLength(1)
    expect(await removeLocks(repository, 'all', {})).toBe(1)
    expect(locksIn(uploader)).toEqual([])
  })
})

interface Place {
  readonly uploader: MemoryUploader
  readonly repository: OpenRepository
  /** The same repository, opened by somebody else. */
  readonly another: OpenRepository
  readonly clock: TestClock
}

function place(): Place {
  const uploader = createMemoryUploader()
  const opened = { key, keyId: storageIdOf(Buffer.of()), config: undefined }
  return { uploader, repository: { ...opened, uploader }, another: { ...opened, uploader: uploader.another() }, clock: new TestClock() }
}

function locksIn({ objects }: MemoryUploader): string[] {
  return [...objects.keys()].filter((name) => name.startsWith('locks/'))
}

async function writeLock(repository: OpenRepository, { time, ...record }: Partial<Omit<LockRecord, 'time'>> & { readonly time: number }) {
  const lock: LockRecord = { time: new Date(time).toISOString(), exclusive: true, hostname: hostname(), username: '', pid: 0, ...record }
  return await writeSealedJson(repository, 'locks', JSON.stringify(lock), {})
}

/** Time passes when the test says so; who sleeps wakes at once, later. */
class TestClock implements LockClock {
  time = Date.parse('2026-01-01T00:00:00.000Z')
  onSleep: () => Promise<void> = async () => undefined
  readonly #timers = new Set<{ readonly milliseconds: number; readonly action: () => void; next: number }>()

  now = (): number => this.time

  every(milliseconds: number, action: () => void): () => void {
    const timer = { milliseconds, action, next: this.time + milliseconds }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  async sleep(milliseconds: number): Promise<void> {
    this.time += milliseconds
    await this.onSleep()
  }

  tick(): void {
    for (const { action } of this.#timers) action()
  }

  async pass(milliseconds: number): Promise<void> {
    const until = this.time + milliseconds
    await this.passUntil(() => this.time >= until, until)
    this.time = until
  }

  /** Every timer at its time; what it begins comes as far as it can before the next. */
  async passUntil(condition: () => boolean, until = Number.POSITIVE_INFINITY): Promise<void> {
    while (!condition()) {
      const [timer] = [...this.#timers].sort((left, right) => left.next - right.next)
      if (timer === undefined || timer.next > until) return
      this.time = Math.max(this.time, timer.next)
      timer.next = this.time + timer.milliseconds
      timer.action()
      // Nothing here waits for anything but promises: a turn of the event loop lets all of them come to their end.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

/** Every operation begins when the scheduler says so. */
function scheduledUploader(uploader: MemoryUploader, scheduler: fc.Scheduler): Uploader {
  const turn = () => scheduler.schedule(Promise.resolve())
  return {
    ...uploader,
    upload: async (...call) => {
      await turn()
      const stored = await uploader.upload(...call)
      await turn()
      return stored
    },
    remove: async (...call) => {
      await turn()
      await uploader.remove(...call)
    },
    stat: async (...call) => {
      await turn()
      return await uploader.stat(...call)
    },
    async *list(...call) {
      await turn()
      yield* uploader.list(...call)
    },
    async *download(...call) {
      await turn()
      yield* uploader.download(...call)
    },
  }
}

/** Counts the locks whenever there could be fewer. */
function watchedUploader(uploader: MemoryUploader): Uploader & { fewest(): number } {
  let fewest = Number.POSITIVE_INFINITY
  return {
    ...uploader,
    fewest: () => fewest,
    remove: async (...call) => {
      await uploader.remove(...call)
      fewest = Math.min(fewest, locksIn(uploader).length)
    },
  }
}

function breakableUploader(uploader: MemoryUploader): { readonly uploader: Uploader; isBroken: boolean } {
  const upload: Uploader['upload'] = (...call) => (breakable.isBroken ? Promise.reject(unreachable) : uploader.upload(...call))
  const breakable: { readonly uploader: Uploader; isBroken: boolean } = { isBroken: false, uploader: { ...uploader, upload } }
  return breakable
}
