import type { Uploader } from '@backup-planet/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { breakableUploader, locksIn, minute, place, scheduledUploader, unreachable, watchedUploader } from './__fixtures__/lock-places.ts'
import { findLocks, lockRepository, removeLocks } from './repository-lock.ts'

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
