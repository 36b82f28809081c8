import { BackupError, type Progress, uploaderLayer } from '@backup-planet/core'
import { createMemoryUploader } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { neededBlobs } from '../__fixtures__/needed-blobs.ts'
import { listing, openUploader, password, storeContents } from '../__fixtures__/small-repository.ts'
import { openRepository } from '../repository-access.ts'
import { lockRepository } from '../repository-lock.ts'
import {
  contentsOf,
  expectWhole,
  interrupted,
  keysBelow,
  keysWithoutLocks,
  type Objects,
  packBytes,
  storedBackups,
} from './__fixtures__/pruned-place.ts'
import type { ResticPruneRequest } from './repository-pruning.ts'

const everything: ResticPruneRequest = { keepYoungerThanSeconds: 0 }

function open(objects: Objects) {
  return openUploader(createMemoryUploader({ objects }), { packBytes })
}

/** Three backups that share files, of which the first is removed. */
async function place() {
  const { objects, backups } = await storedBackups([
    [0, 1, 2, 3, 6, 9],
    [0, 3, 4, 12],
    [3, 5, 12, 15],
  ])
  await open(objects).remove(backups.slice(0, 1))
  const kept = new Map([
    ['backup-1', [0, 3, 4, 12]],
    ['backup-2', [3, 5, 12, 15]],
  ])
  return { objects, backups, kept }
}

describe('a prune', () => {
  it('removes what nobody uses, and does nothing the next time', async () => {
    const { objects, kept } = await place()
    const before = storedPackBytes(objects)
    const steps: string[] = []
    const onProgress = (event: Progress) => event.type === 'step' && steps.push(event.text)
    const report = await open(objects).prune({ ...everything, maxUnusedShare: 0 }, { onProgress })
    expect(report).toMatchObject({ dryRun: false, keptUnusedBytes: 0, youngUnusedBytes: 0, retained: [] })
    expect(report.removedPacks + report.repackedPacks).toBeGreaterThan(0)
    expect(before - storedPackBytes(objects)).toBe(report.removedBytes)
    expect(report.removedBytes).toBeGreaterThan(800_000)
    expect(report.indexFilesReplaced).toBeGreaterThan(0)
    expect(steps.length).toBeGreaterThan(3)
    expect(keysBelow(objects, 'locks/')).toEqual([])
    await expectWhole(objects, kept)
    expect((await open(objects).stats()).unusedBytes).toBe(0)
    const after = keysWithoutLocks(objects)
    const again = await open(objects).prune({ ...everything, maxUnusedShare: 0 })
    expect(again).toMatchObject({ removedPacks: 0, repackedPacks: 0, removedBytes: 0, indexFilesReplaced: 0, usedBytes: report.usedBytes })
    expect(keysWithoutLocks(objects)).toEqual(after)
  })

  it('says beforehand what it would do, and changes nothing', async () => {
    const { objects } = await place()
    const before = keysWithoutLocks(objects)
    const planned = await open(objects).prune({ ...everything, dryRun: true })
    expect(keysWithoutLocks(objects)).toEqual(before)
    const done = await open(objects).prune(everything)
    expect(planned).toMatchObject({ dryRun: true, removedPacks: done.removedPacks, repackedPacks: done.repackedPacks, retained: [] })
    expect(planned).toMatchObject({ keptUnusedBytes: done.keptUnusedBytes, usedBytes: done.usedBytes })
    expect(planned.indexFilesReplaced).toBe(done.indexFilesReplaced)
    // Headers of new packs are not in the estimate.
    expect(Math.abs(planned.removedBytes - done.removedBytes)).toBeLessThan(5000)
  })

  it('empties a repository without snapshots', async () => {
    const { objects, backups } = await storedBackups([[0, 1], [2]])
    await open(objects).remove(backups)
    await open(objects).prune(everything)
    expect(keysBelow(objects, 'data/')).toEqual([])
    expect(keysBelow(objects, 'index/')).toEqual([])
    await expectWhole(objects, new Map())
  })

  it('leaves alone what is young by the clock of the store, until it is not', async () => {
    const { objects, backups, kept } = await place()
    // Packs that no index knows, as a killed run leaves them.
    const orphan = `data/ab/${'ab'.repeat(32)}`
    const [first] = [...objects].filter(([key]) => key.startsWith('data/')).map(([, object]) => object)
    if (first === undefined) throw new Error('there is no pack')
    objects.set(orphan, first)
    const before = keysWithoutLocks(objects)
    const at = (hours: number) =>
      openUploader(createMemoryUploader({ objects, now: () => new Date(Date.now() + hours * 3_600_000) }), { packBytes })
    const young = await at(23).prune()
    expect(young).toMatchObject({ removedPacks: 0, repackedPacks: 0, removedBytes: 0 })
    expect(young.youngUnusedBytes).toBe(young.keptUnusedBytes)
    expect(young.youngUnusedBytes).toBeGreaterThan(800_000)
    expect(keysBelow(objects, 'data/')).toEqual(before.filter((key) => key.startsWith('data/')))
    const old = await at(25).prune()
    expect(old.removedBytes).toBeGreaterThan(800_000)
    expect(objects.has(orphan)).toBe(false)
    await expectWhole(objects, kept)
    expect(backups).toHaveLength(3)
  })

  it('keeps one of two copies of a blob', async () => {
    const { objects } = await storedBackups([[30]])
    const [one, other]: [Objects, Objects] = [new Map(objects), new Map(objects)]
    await storeContents(open(one), 'one', contentsOf([0, 3, 6, 9]))
    await storeContents(open(other), 'other', contentsOf([0, 3, 6, 9, 12]))
    for (const [key, object] of other) if (!one.has(key)) one.set(key, object)
    const before = await open(one).stats()
    expect(before.unusedBytes).toBeGreaterThan(1_600_000)
    const report = await open(one).prune({ ...everything, maxUnusedShare: 0 })
    expect(report.removedBytes).toBeGreaterThan(1_600_000)
    expect((await open(one).stats()).unusedBytes).toBe(0)
    const kept = new Map([
      ['backup-0', [30]],
      ['one', [0, 3, 6, 9]],
      ['other', [0, 3, 6, 9, 12]],
    ])
    await expectWhole(one, kept)
  })

  it('goes on from what an interrupted one had written', async () => {
    const { objects, kept } = await place()
    const before = await pruneUntilIndexesGo(objects)
    const report = await open(objects).prune({ ...everything, maxUnusedShare: 0 })
    expect(report).toMatchObject({ repackedPacks: 0, removedPacks: before.length, keptUnusedBytes: 0 })
    expect(before.filter((key) => objects.has(key))).toEqual([])
    await expectWhole(objects, kept)
  })

  it('takes the copies of blobs that are there, when the packs of the others are gone', async () => {
    const { objects, kept } = await place()
    for (const key of await pruneUntilIndexesGo(objects)) objects.delete(key)
    await open(objects).prune(everything)
    await expectWhole(objects, kept)
  })

  it('merges small index files', async () => {
    const { objects } = await storedBackups([
      [0, 3, 6],
      [9, 12, 15],
      [18, 21, 24],
    ])
    expect(keysBelow(objects, 'index/').length).toBe(3)
    await open(objects).prune(everything)
    await open(objects).prune(everything)
    expect(keysBelow(objects, 'index/').length).toBeLessThanOrEqual(2)
  })
})

describe('a prune that cannot know what is used', () => {
  const damage: Readonly<Record<string, (objects: Objects) => void>> = {
    'a damaged snapshot': (objects) => flip(objects, 'snapshots/'),
    'a damaged index file': (objects) => flip(objects, 'index/'),
    'a missing index file': (objects) => objects.delete(keysBelow(objects, 'index/')[0] ?? ''),
    'packs that are gone': (objects) => {
      for (const key of keysBelow(objects, 'data/')) objects.delete(key)
    },
    'packs that are cut': (objects) => {
      for (const key of keysBelow(objects, 'data/')) {
        const object = objects.get(key)
        if (object !== undefined) objects.set(key, { ...object, bytes: object.bytes.subarray(0, -1) })
      }
    },
    'damaged blobs': (objects) => {
      for (const key of keysBelow(objects, 'data/')) flip(objects, key)
    },
  }

  it.each(Object.entries(damage))('removes nothing: %s', async (_, change) => {
    const { objects } = await place()
    change(objects)
    const before = keysWithoutLocks(objects)
    const failure = await open(objects)
      .prune({ ...everything, maxUnusedShare: 0 })
      .catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'CORRUPTED', hint: expect.stringContaining('Nothing was removed') })
    expect(before.filter((key) => !objects.has(key))).toEqual([])
    expect(keysBelow(objects, 'locks/')).toEqual([])
  })

  it('removes nothing when a blob is damaged that is to be written anew', async () => {
    const { objects } = await place()
    const needed = await neededBlobs(createMemoryUploader({ objects }))
    const [largest] = needed.sort((left, right) => right.end - right.begin - (left.end - left.begin))
    if (largest === undefined) throw new Error('nothing is needed')
    flip(objects, largest.key, () => largest.begin + 20)
    const before = keysWithoutLocks(objects)
    await expect(open(objects).prune({ ...everything, maxUnusedShare: 0 })).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringContaining(largest.key),
    })
    expect(before.filter((key) => !objects.has(key))).toEqual([])
  })

  it('refuses requests that make no sense', async () => {
    const { objects } = await storedBackups([])
    await expect(open(objects).prune({ maxUnusedShare: 1.5 })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(open(objects).prune({ keepYoungerThanSeconds: -1 })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})

describe('a prune beside others', () => {
  it('does not begin while somebody stores, and says who', async () => {
    const { objects } = await place()
    const repository = await openRepository(createMemoryUploader({ objects }), password, {})
    await using _ = await lockRepository(repository, { exclusive: false }, {})
    await expect(open(objects).prune(everything)).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(open(objects).prune({ ...everything, dryRun: true })).resolves.toMatchObject({ dryRun: true })
  })

  it('stops before it removes anything when its lock is gone', async () => {
    const { objects, kept } = await place()
    const memory = createMemoryUploader({ objects })
    const uploader = uploaderLayer(memory, {
      async upload(key, content, options) {
        if (key.startsWith('data/')) for (const lock of keysBelow(objects, 'locks/')) objects.delete(lock)
        return await memory.upload(key, content, options)
      },
    })
    const before = keysWithoutLocks(objects)
    await expect(openUploader(uploader, { packBytes }).prune(everything)).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(before.filter((key) => !objects.has(key))).toEqual([])
    await expectWhole(objects, kept)
  })

  it('stops when it is aborted, and a signal that is aborted beforehand has no effect', async () => {
    const { objects, kept } = await place()
    const controller = new AbortController()
    const onProgress = (event: Progress) => event.type === 'bytes' && controller.abort()
    await expect(open(objects).prune(everything, { signal: controller.signal, onProgress })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(keysBelow(objects, 'locks/')).toEqual([])
    await expectWhole(objects, kept)
    const { uploader, calls } = interrupted(createMemoryUploader({ objects }))
    await expect(openUploader(uploader).prune(everything, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(calls()).toBe(0)
  })
})

describe('a store that refuses to remove', () => {
  it.each(['index/', 'data/'])('is told of, and no index names a pack that is gone: %s', async (refused) => {
    const { objects, kept } = await place()
    const memory = createMemoryUploader({ objects })
    const uploader = uploaderLayer(memory, {
      async remove(key, options) {
        if (key.startsWith(refused)) throw new BackupError(`${key} is locked`, { code: 'ACCESS_DENIED', hint: 'Wait.' })
        await memory.remove(key, options)
      },
    })
    const locked = await openUploader(uploader, { packBytes }).prune({ ...everything, maxUnusedShare: 0 })
    expect(locked.retained.length).toBeGreaterThan(0)
    expect(locked.retained.every(({ key, reason }) => key.startsWith(refused) && reason.includes('is locked'))).toBe(true)
    expect(locked).toMatchObject({ removedPacks: 0, repackedPacks: 0 })
    expect(locked.keptUnusedBytes).toBeGreaterThan(0)
    await expectWhole(objects, kept)
    await openUploader(uploader, { packBytes }).prune({ ...everything, maxUnusedShare: 0 })
    await expectWhole(objects, kept)
    const freed = await open(objects).prune({ ...everything, maxUnusedShare: 0 })
    expect(freed).toMatchObject({ retained: [], keptUnusedBytes: 0 })
    expect((await open(objects).stats()).unusedBytes).toBe(0)
    await expectWhole(objects, kept)
  })
})

/** Everything that is used lies in new packs too, and the old index files are still there. Returns the keys of the old packs. */
async function pruneUntilIndexesGo(objects: Objects): Promise<string[]> {
  const before = keysBelow(objects, 'data/')
  const memory = createMemoryUploader({ objects })
  const uploader = uploaderLayer(memory, {
    async remove(key, options) {
      if (key.startsWith('index/')) throw new BackupError('nobody answers', { code: 'UNREACHABLE', hint: 'Try again.' })
      await memory.remove(key, options)
    },
  })
  const pruning = openUploader(uploader, { packBytes }).prune({ ...everything, maxUnusedShare: 0 })
  await expect(pruning).rejects.toMatchObject({ code: 'UNREACHABLE' })
  expect(before.filter((key) => !objects.has(key))).toEqual([])
  return before
}

/** Some minutes' worth of interruptions are in e2e, where the process is really killed. */
const scenarios = Number(process.env.BACKUP_PLANET_RESTIC_PRUNE_SCENARIOS ?? 4)
const seed = Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 1_000_000)

it(
  'is whole whenever a prune is interrupted, and the next one finishes the job',
  async () => {
    const files = fc.uniqueArray(fc.integer({ min: 0, max: 23 }), { minLength: 1, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ files, removed: fc.boolean() }), { minLength: 2, maxLength: 4 }),
        fc.constantFrom(0, 0.05, 0.4),
        fc.array(fc.record({ percent: fc.integer({ min: 0, max: 100 }), forGood: fc.boolean(), done: fc.boolean() }), {
          minLength: 1,
          maxLength: 3,
        }),
        async (backups, maxUnusedShare, interruptions) => {
          const { objects, backups: stored } = await storedBackups(backups.map((backup) => backup.files))
          await open(objects).remove(stored.filter((_, at) => backups[at]?.removed))
          const kept = new Map(backups.flatMap((backup, at) => (backup.removed ? [] : [[`backup-${at}`, backup.files] as const])))
          const request = { ...everything, maxUnusedShare }
          for (const { percent, ...interruption } of interruptions) {
            const counting = interrupted(createMemoryUploader({ objects: new Map(objects) }))
            await openUploader(counting.uploader, { packBytes }).prune(request)
            const call = 1 + Math.floor((percent / 100) * (counting.calls() - 1))
            const broken = interrupted(createMemoryUploader({ objects }), { at: call, ...interruption })
            await openUploader(broken.uploader, { packBytes })
              .prune(request)
              .catch((error: unknown) => expect(error).toMatchObject({ code: 'UNREACHABLE' }))
            await expectWhole(objects, kept)
            await open(objects).unlock('all')
          }
          const report = await open(objects).prune(request)
          expect(report.keptUnusedBytes).toBeLessThanOrEqual(maxUnusedShare * (report.usedBytes + report.keptUnusedBytes))
          expect((await open(objects).stats()).unusedBytes).toBe(report.keptUnusedBytes)
          await expectWhole(objects, kept)
          expect((await listing(open(objects))).backups).toHaveLength(kept.size)
          const again = await open(objects).prune(request)
          expect(again).toMatchObject({ removedPacks: 0, repackedPacks: 0, indexFilesReplaced: 0, keptUnusedBytes: report.keptUnusedBytes })
        },
      ),
      { numRuns: scenarios, seed },
    )
  },
  scenarios * 20_000,
)

function storedPackBytes(objects: Objects): number {
  return keysBelow(objects, 'data/').reduce((sum, key) => sum + (objects.get(key)?.bytes.byteLength ?? 0), 0)
}

/** Turns one bit of the first object below a prefix. */
function flip(objects: Objects, prefix: string, at: (length: number) => number = () => 20): void {
  const [key = ''] = keysBelow(objects, prefix)
  const object = objects.get(key)
  if (object === undefined) throw new Error(`there is nothing below ${prefix}`)
  const bytes = Uint8Array.from(object.bytes)
  const place = Math.floor(at(bytes.byteLength))
  bytes[place] = (bytes[place] ?? 0) ^ 1
  objects.set(key, { ...object, bytes })
}
