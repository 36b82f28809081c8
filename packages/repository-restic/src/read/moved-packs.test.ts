import { collect } from '@backup-planet/core/conformance'
import { bytesOf, createMemoryUploader, type MemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import { describe, expect, it } from 'vitest'
import {
  type Contents,
  cheapCost,
  differences,
  filesOf,
  openUploader,
  password,
  restored,
  restoredAtOnce,
  storeContents,
} from '../__fixtures__/small-repository.ts'
import { type IndexedPack, indexJson } from '../format/index-file.ts'
import { initializeRepository, type OpenRepository, openRepository } from '../repository-access.ts'
import { readPackHeader } from '../repository-index.ts'
import { listObjects, writeSealedJson } from '../repository-objects.ts'
import { sealPack, uploadPack } from '../write/pack-upload.ts'

const contents: Contents = { shop: { one: sampleBytes(3 * 1024 ** 2, 1), two: sampleBytes(100, 2), three: sampleBytes(1024 ** 2, 3) } }

describe('reading while somebody else prunes', () => {
  it('goes on where the blobs are now, file by file and all at once', async () => {
    for (const read of [restored, restoredAtOnce]) {
      const { uploader, backup } = await place()
      const repository = openUploader(uploader)
      // The index is read, and its packs go.
      await bytesOf(repository.open(backup, { item: 'shop', name: 'two' }))
      await movePacks(uploader)
      const files = await read(repository, backup)
      expect(differences(files as ReadonlyMap<string, Buffer>, filesOf(contents))).toEqual([])
    }
  })

  it('goes on within a file', async () => {
    const { uploader, backup } = await place()
    const repository = openUploader({
      ...uploader,
      async *download(key, range, options) {
        if (key.startsWith('data/') && !moved) {
          reads++
          if (reads > treeReads) {
            moved = true
            await movePacks(uploader)
          }
        }
        yield* uploader.download(key, range, options)
      },
    })
    let moved = false
    let reads = 0
    let treeReads = Number.POSITIVE_INFINITY
    await bytesOf(repository.open(backup, { item: 'shop', name: 'one' }))
    treeReads = reads - 1
    reads = 0
    expect((await bytesOf(repository.open(backup, { item: 'shop', name: 'one' }))).equals(contents.shop?.one ?? Buffer.of())).toBe(true)
    expect(moved).toBe(true)
  })

  it('is told of a pack that is gone and whose blobs are nowhere else', async () => {
    const { uploader, backup } = await place()
    const repository = openUploader(uploader)
    await bytesOf(repository.open(backup, { item: 'shop', name: 'two' }))
    for (const key of [...uploader.objects.keys()]) if (key.startsWith('data/')) uploader.objects.delete(key)
    await expect(restoredAtOnce(repository, backup)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

async function place() {
  const uploader = createMemoryUploader()
  await initializeRepository(uploader, { password, cost: cheapCost }, {})
  return { uploader, backup: await storeContents(openUploader(uploader), 'one', contents) }
}

/** As prune does: the blobs in other packs, an index of those, and the old index and the old packs gone. */
async function movePacks(uploader: MemoryUploader): Promise<void> {
  const repository: OpenRepository = await openRepository(uploader, password, {})
  const old = [...uploader.objects.keys()].filter((key) => key.startsWith('data/') || key.startsWith('index/'))
  const packs: IndexedPack[] = []
  for (const { id, size } of await collect(listObjects(uploader, 'data', {}))) {
    const blobs = await readPackHeader(repository, id, size, {})
    const object = uploader.objects.get(`data/${id.slice(0, 2)}/${id}`)
    const length = blobs.reduce((sum, blob) => sum + blob.length, 0)
    // Its header is sealed anew: another pack of the same blobs.
    const pack = sealPack(repository.key, blobs, object?.bytes.subarray(0, length) ?? Buffer.of())
    await uploadPack(uploader, pack, {})
    packs.push(pack)
  }
  await writeSealedJson(repository, 'index', indexJson(packs), {})
  for (const key of old) uploader.objects.delete(key)
}
