import { uploaderLayer } from '@backup-planet/core'
import { createMemoryUploader } from '@backup-planet/core/testing'
import { describe, expect, it } from 'vitest'
import { emptyRepository, filledStage, openUploader } from '../__fixtures__/small-repository.ts'
import { contentsOf, fileBytes, keysBelow, keysWithoutLocks, type Objects, packBytes } from './__fixtures__/pruned-place.ts'

async function store(objects: Objects, job: string, id: string, files: readonly number[]): Promise<void> {
  const stage = await filledStage({ job, id }, contentsOf(files))
  await openUploader(createMemoryUploader({ objects }), { packBytes }).store(
    { run: stage.run, agent: { version: '1.0.0' } },
    stage.contents,
  )
}

function open(objects: Objects) {
  return openUploader(createMemoryUploader({ objects }), { packBytes })
}

const sizeOf = (files: readonly number[]) => files.reduce((sum, number) => sum + fileBytes(number).byteLength, 0)

describe('statistics', () => {
  it('of an empty repository', async () => {
    const objects = await emptyRepository()
    expect(await open(objects).stats()).toMatchObject({
      backups: 0,
      snapshots: 0,
      packs: 0,
      blobs: 0,
      unusedBytes: 0,
      contentBytes: 0,
      ratio: 0,
      jobs: [],
    })
  })

  it('say what each job holds, what it takes, and what it takes alone', async () => {
    const objects = await emptyRepository()
    await store(objects, 'shop', 'a', [0, 3, 6])
    await store(objects, 'shop', 'b', [0, 3, 9])
    await store(objects, 'stock', 'c', [3, 12])
    const before = keysWithoutLocks(objects)
    const stats = await open(objects).stats()
    expect(keysWithoutLocks(objects)).toEqual(before)
    const content = { shop: sizeOf([0, 3, 6, 0, 3, 9]), stock: sizeOf([3, 12]) }
    expect(stats).toMatchObject({ backups: 3, snapshots: 3, unusedBytes: 0, contentBytes: content.shop + content.stock })
    expect(stats.packs).toBe(keysBelow(objects, 'data/').length)
    expect(stats.indexFiles).toBe(keysBelow(objects, 'index/').length)
    const stored = [...objects].reduce((sum, [, { bytes }]) => sum + bytes.byteLength, 0)
    expect(stats.storedBytes).toBe(stored)
    expect(stats.ratio).toBeCloseTo((content.shop + content.stock) / stored)
    const [shop, stock] = stats.jobs
    expect(shop).toMatchObject({ job: 'shop', backups: 2, contentBytes: content.shop })
    expect(stock).toMatchObject({ job: 'stock', backups: 1, contentBytes: content.stock })
    const near = (found: number | undefined, files: readonly number[]) => {
      expect(found).toBeGreaterThan(sizeOf(files))
      // Manifests, guides and trees besides.
      expect(found).toBeLessThan(sizeOf(files) + 10_000)
    }
    near(shop?.usedBytes, [0, 3, 6, 9])
    near(shop?.ownBytes, [0, 6, 9])
    near(stock?.usedBytes, [3, 12])
    near(stock?.ownBytes, [12])
  })

  it('foretell what prune gives back once a job is gone', async () => {
    const objects = await emptyRepository()
    await store(objects, 'shop', 'a', [0, 3, 6])
    await store(objects, 'stock', 'b', [3, 12])
    const own = (await open(objects).stats()).jobs.find(({ job }) => job === 'stock')?.ownBytes
    for await (const backup of open(objects).list({ job: 'stock' })) await open(objects).remove([backup])
    expect((await open(objects).stats()).unusedBytes).toBe(own)
    const pruned = await open(objects).prune({ keepYoungerThanSeconds: 0, maxUnusedShare: 0 })
    expect(pruned.removedBytes).toBeGreaterThan(own ?? 0)
    expect((await open(objects).stats()).unusedBytes).toBe(0)
  })

  it('find the index files again that a prune replaces while they are read', async () => {
    const objects = await emptyRepository()
    await store(objects, 'shop', 'a', [0, 3])
    await store(objects, 'shop', 'b', [6])
    const before = await open(objects).stats()
    const memory = createMemoryUploader({ objects })
    let replaced = false
    const uploader = uploaderLayer(memory, {
      async *list(prefix, options) {
        const found = []
        for await (const object of memory.list(prefix, options)) found.push(object)
        if (prefix === 'index/' && !replaced) {
          replaced = true
          await open(objects).rebuildIndex({ readAll: true })
        }
        yield* found
      },
    })
    const stats = await openUploader(uploader, { packBytes }).stats()
    expect(replaced).toBe(true)
    expect(stats).toMatchObject({ indexFiles: 1, packs: before.packs, blobs: before.blobs, unusedBytes: before.unusedBytes })
  })

  it('refuse to guess when an index file is listed and never there', async () => {
    const objects = await emptyRepository()
    await store(objects, 'shop', 'a', [0])
    const [key = ''] = keysBelow(objects, 'index/')
    const memory = createMemoryUploader({ objects })
    const uploader = uploaderLayer(memory, {
      async *download(wanted, range, options) {
        yield* memory.download(wanted === key ? `${key}.gone` : wanted, range, options)
      },
    })
    await expect(openUploader(uploader).stats()).rejects.toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining(key) })
  })

  it('refuse to guess when something is damaged', async () => {
    const objects = await emptyRepository()
    await store(objects, 'shop', 'a', [0])
    for (const key of keysBelow(objects, 'data/')) objects.delete(key)
    await expect(open(objects).stats()).rejects.toMatchObject({ code: 'CORRUPTED' })
  })
})
