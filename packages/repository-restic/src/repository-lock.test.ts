import { hostname } from 'node:os'
import { currentOwner, type Uploader } from '@backup-planet/core'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { locksIn, minute, place, scheduledUploader, unreachable, writeLock } from './__fixtures__/lock-places.ts'
import type { OpenRepository } from './repository-access.ts'
import { findLocks, type LockClock, lockRepository, removeLocks } from './repository-lock.ts'
import { writeNamedObject, writeSealedJson } from './repository-objects.ts'

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

  it('of ours is stale at once when its process is dead, and not when that is one of another boot or container, or says another start', async () => {
    const { repository, another, clock, uploader } = place()
    const { started } = await currentOwner()
    const [boot, ticks, namespace] = started.split('.')
    const dead = 2 ** 22 + 1
    for (const [owner, stale] of [
      [{ pid: dead, started }, true],
      [{ pid: dead, started: `${boot}.${ticks}.1` }, false],
      [{ pid: dead, started: `ffffffff.${ticks}.${namespace}` }, false],
      [{ pid: process.pid, started: `${boot}.1.${namespace}` }, true],
      [{ pid: process.pid, started }, false],
    ] as const) {
      const id = await writeLock(repository, { time: clock.time, ...owner })
      expect([owner, (await findLocks(another, {}, clock)).map((lock) => lock.stale)]).toEqual([owner, [stale]])
      await uploader.remove(`locks/${id}`)
    }
    await using _ = await lockRepository(repository, { exclusive: false, clock }, {})
    expect((await findLocks(another, {}, clock)).map((lock) => lock.started)).toEqual([started])
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

  it("of this process that could not be removed when it was let go of stands in nobody's way here, and is cleared away", async () => {
    const { repository, another, clock, uploader } = place()
    let isAway = false
    const remove: Uploader['remove'] = (...call) => (isAway ? Promise.reject(unreachable) : uploader.remove(...call))
    const breaking = { ...repository, uploader: { ...uploader, remove } }
    const lock = await lockRepository(breaking, { exclusive: false, clock }, {})
    expect((await findLocks(another, {}, clock)).map(({ stale }) => stale)).toEqual([false])
    isAway = true
    await lock[Symbol.asyncDispose]()
    expect((await findLocks(another, {}, clock)).map(({ stale }) => stale)).toEqual([true])
    await using alone = await lockRepository(another, { exclusive: true, clock }, {})
    await alone.assertHeld({})
    expect(locksIn(uploader)).toHaveLength(1)
  })

  it('that was being written when the store went away, and arrives later, is cleared away as well', async () => {
    const { repository, another, clock, uploader } = place()
    let arrive = async (): Promise<unknown> => expect.unreachable('nothing was written')
    const upload: Uploader['upload'] = async (...call) => {
      arrive = () => uploader.upload(...call)
      throw unreachable
    }
    await expect(lockRepository({ ...repository, uploader: { ...uploader, upload } }, { exclusive: true, clock }, {})).rejects.toBe(
      unreachable,
    )
    await arrive()
    await using lock = await lockRepository(another, { exclusive: true, clock }, {})
    await lock.assertHeld({})
    expect(locksIn(uploader)).toHaveLength(1)
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
