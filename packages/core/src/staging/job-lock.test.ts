import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { earlierProcess, otherBoot, otherNamespace } from './__fixtures__/other-owners.ts'
import { acquireFollowLock, acquireJobLock, type JobLock } from './job-lock.ts'
import { currentOwner, ownedName } from './process-owner.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lock-test-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function leave(change: Partial<Awaited<ReturnType<typeof currentOwner>>>, agoSeconds = 0): Promise<string> {
  const name = ownedName('lock', { ...(await currentOwner()), ...change })
  const file = path.join(folder, name)
  await writeFile(file, '')
  const then = new Date(Date.now() - agoSeconds * 1000)
  await utimes(file, then, then)
  return name
}

describe('the lock of a job', () => {
  test('is held until every holder has let go', async () => {
    const lock = await acquireJobLock(folder, 'shop')
    const shared = lock.share()
    await lock.release()
    await lock.release()
    await expect(acquireJobLock(folder, 'shop')).rejects.toMatchObject({
      code: 'CONFLICT',
      message: 'job "shop" is already being backed up by this process',
    })
    await shared.release()
    expect(await readdir(folder)).toEqual([])
    await (await acquireJobLock(folder, 'shop')).release()
  })

  test('of somebody who follows the job is waited for, until the wait is aborted', async () => {
    const follower = await acquireFollowLock(folder, 'shop')
    const storing = await acquireJobLock(folder, 'shop', { followed: true })
    const controller = new AbortController()
    const aborted = acquireJobLock(folder, 'shop', { signal: controller.signal })
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' })
    const waiting = acquireJobLock(folder, 'shop')
    await storing.release()
    await (await waiting).release()
    await follower.release()
    expect(await readdir(folder)).toEqual([])
  })

  test('of a run in the process that follows the job is not waited for, neither by another run nor by what was followed', async () => {
    const follower = await acquireFollowLock(folder, 'shop')
    const run = await acquireJobLock(folder, 'shop')
    await expect(acquireJobLock(folder, 'shop')).rejects.toMatchObject({ code: 'CONFLICT', retryable: true })
    await expect(acquireJobLock(folder, 'shop', { followed: true })).rejects.toMatchObject({ code: 'CONFLICT', retryable: true })
    await run.release()
    await (await acquireJobLock(folder, 'shop', { followed: true })).release()
    await follower.release()
    expect(await readdir(folder)).toEqual([])
  })

  test('is beside the claim of who follows the job, of which there is one', async () => {
    const follower = await acquireFollowLock(folder, 'shop')
    await expect(acquireFollowLock(folder, 'shop')).rejects.toMatchObject({
      code: 'CONFLICT',
      message: 'job "shop" is already being followed by this process',
    })
    await (await acquireJobLock(folder, 'shop')).release()
    await follower.release()
    await (await acquireFollowLock(folder, 'shop')).release()
  })

  test('goes to one at most, however many want it at once', async () => {
    for (let round = 0; round < 20; round++) {
      const results = await Promise.allSettled(Array.from({ length: 6 }, () => acquireJobLock(folder, 'shop')))
      const held = results.filter((result): result is PromiseFulfilledResult<JobLock> => result.status === 'fulfilled')
      expect(held.length).toBeLessThanOrEqual(1)
      for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'CONFLICT' })
      for (const { value } of held) await value.release()
      expect(await readdir(folder)).toEqual([])
    }
  })

  test.for([
    { what: 'a process that is gone', change: { pid: 2 ** 22 + 1 } },
    { what: 'an earlier process with the number of a living one', change: 'earlier' as const },
  ])('of $what is taken over at once', async ({ change }, { skip }) => {
    skip(change === 'earlier' && process.platform !== 'linux', 'Linux alone says when a process began')
    await leave(change === 'earlier' ? earlierProcess(await currentOwner()) : change)
    const lock = await acquireJobLock(folder, 'shop')
    expect(await readdir(folder)).toHaveLength(1)
    await lock.release()
  })

  test('of another host is respected while it is fresh, with the file to remove in the hint', async () => {
    const name = await leave({ host: 'elsewhere', pid: 7 }, 20 * 60)
    await expect(acquireJobLock(folder, 'shop')).rejects.toMatchObject({
      code: 'CONFLICT',
      message: 'job "shop" is being backed up by process 7 on host elsewhere',
      hint: expect.stringContaining(path.join(folder, name)),
    })
    expect(await readdir(folder)).toEqual([name])
  })

  test.runIf(process.platform === 'linux').for([
    { what: 'another container', other: otherNamespace },
    { what: 'another boot', other: otherBoot },
  ])('of $what with the same host name is respected while it is fresh, and not taken for that of this process', async ({ other }) => {
    const name = await leave(other(await currentOwner()), 20 * 60)
    await expect(acquireJobLock(folder, 'shop')).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(/is being backed up by process \d+ on host/),
    })
    expect(await readdir(folder)).toEqual([name])
    await rm(path.join(folder, name))
    await leave(other(await currentOwner()), 31 * 60)
    await (await acquireJobLock(folder, 'shop')).release()
  })

  test('of another host that has not refreshed it for half an hour is taken over', async () => {
    await leave({ host: 'elsewhere' }, 31 * 60)
    await (await acquireJobLock(folder, 'shop')).release()
    expect(await readdir(folder)).toEqual([])
  })
})
