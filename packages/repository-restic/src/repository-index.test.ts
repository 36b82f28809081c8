import { BackupError, type Uploader } from '@backup-planet/core'
import { createMemoryUploader, type MemoryUploader } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BlobIndex } from './blob-index/blob-index.ts'
import { createMasterKey } from './crypto/master-key.ts'
import { seal } from './crypto/sealed-bytes.ts'
import { type IndexedPack, indexJson } from './format/index-file.ts'
import { encodePackHeader, type PackedBlob } from './format/pack-header.ts'
import { storageIdOf } from './format/storage-id.ts'
import type { OpenRepository } from './repository-access.ts'
import { addUnindexedPacks, eachAtOnce, findBlob, loadIndex, readPackHeader } from './repository-index.ts'
import { writeNamedObject, writeSealedJson } from './repository-objects.ts'
import { sealPack, uploadPack } from './write/pack-upload.ts'

const key = createMasterKey()

describe('the index', () => {
  it('is what all of its files say', async () => {
    const { repository } = place()
    const files = [await writeIndex(repository, [indexed(1), indexed(2)]), await writeIndex(repository, [indexed(3)])]
    const { blobs, failures, files: read } = await loadIndex(repository, {})
    for (const number of [1, 2, 3])
      expect(findBlob(blobs, 'data', blobId(number))).toMatchObject({ pack: packId(number), offset: 0, length: 100, uncompressedLength: 0 })
    expect(findBlob(blobs, 'tree', blobId(1))).toBeUndefined()
    expect(read).toEqual(new Set(files))
    expect(failures).toEqual([])
  })

  it('leaves out a file that is damaged, and says so', async () => {
    const { repository, uploader } = place()
    const damaged = await writeIndex(repository, [indexed(1)])
    await writeIndex(repository, [indexed(2)])
    uploader.objects.set(`index/${damaged}`, { bytes: Buffer.from('garbage'), modifiedAt: '', sha256: '' })
    const { blobs, failures } = await loadIndex(repository, {})
    expect(findBlob(blobs, 'data', blobId(1))).toBeUndefined()
    expect(findBlob(blobs, 'data', blobId(2))).toBeDefined()
    expect(failures.map(({ code, message }) => [code, message])).toEqual([['CORRUPTED', expect.stringContaining(`index/${damaged}`)]])
  })

  it('has nothing of a file that cannot be read to its end', async () => {
    const { repository } = place()
    const json = JSON.stringify({ packs: [JSON.parse(indexJson([indexed(1)])).packs[0], { id: 'none' }] })
    await writeSealedJson(repository, 'index', json, {})
    const { blobs, failures } = await loadIndex(repository, {})
    expect(blobs.size).toBe(0)
    expect(failures).toHaveLength(1)
  })

  it('has what a file says that was replaced while it was read', async () => {
    const { repository, uploader } = place()
    const old = await writeIndex(repository, [indexed(1)])
    let replaced = false
    const download: Uploader['download'] = async function* (...call) {
      if (!replaced) {
        replaced = true
        uploader.objects.delete(`index/${old}`)
        await writeIndex(repository, [indexed(1), indexed(2)])
      }
      yield* uploader.download(...call)
    }
    const { blobs, failures } = await loadIndex({ ...repository, uploader: { ...uploader, download } }, {})
    expect(findBlob(blobs, 'data', blobId(1))).toBeDefined()
    expect(findBlob(blobs, 'data', blobId(2))).toBeDefined()
    expect(failures).toEqual([])
  })

  it('counts a file as damaged that stays listed and never is there', async () => {
    const { repository, uploader } = place()
    await writeIndex(repository, [indexed(1)])
    const { blobs, failures } = await loadIndex({ ...repository, uploader: withGhost(uploader) }, {})
    expect(findBlob(blobs, 'data', blobId(1))).toBeDefined()
    expect(failures).toMatchObject([{ code: 'CORRUPTED', message: expect.stringContaining('it is listed and is not there') }])
  })

  it('ends with ABORTED while it looks again', async () => {
    const { repository, uploader } = place()
    const controller = new AbortController()
    const ghost = withGhost(uploader)
    const download: Uploader['download'] = (...call) => {
      setImmediate(() => controller.abort())
      return ghost.download(...call)
    }
    const loading = loadIndex({ ...repository, uploader: { ...ghost, download } }, { signal: controller.signal })
    await expect(loading).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('is not taken for smaller when the store does not answer', async () => {
    const { repository, uploader } = place()
    await writeIndex(repository, [indexed(1)])
    uploader.injectFault({ operation: 'download', occurrence: 1, action: 'fail' })
    await expect(loadIndex(repository, {})).rejects.toMatchObject({ code: 'UNREACHABLE' })
  })
})

describe('packs that no index knows', () => {
  it('are found by their headers', async () => {
    const { repository } = place()
    const [known, unknown] = [await storedPack(repository, 2, 1), await storedPack(repository, 3, 2)]
    await writeIndex(repository, [known])
    const { blobs } = await loadIndex(repository, {})
    const told: IndexedPack[] = []
    const { packs, failures } = await addUnindexedPacks(repository, blobs, {}, async (some) => void told.push(...some))
    expect(packs).toEqual([unknown.id])
    expect(told).toEqual([{ id: unknown.id, blobs: unknown.blobs }])
    expect(failures).toEqual([])
    for (const { id, offset } of unknown.blobs) expect(findBlob(blobs, 'data', id)).toMatchObject({ pack: unknown.id, offset })
    expect((await addUnindexedPacks(repository, blobs, {})).packs).toEqual([])
  })

  it('are told of a few at a time, before the headers of the next are read', async () => {
    const { repository, uploader } = place()
    const stored = []
    for (let seed = 1; seed <= 80; seed++) stored.push(await storedPack(repository, 1, seed))
    const read = new Set<string>()
    const counting: Uploader = {
      ...uploader,
      download(key, range, options) {
        read.add(key)
        return uploader.download(key, range, options)
      },
    }
    const blobs = new BlobIndex()
    let told = 0
    const { packs } = await addUnindexedPacks({ ...repository, uploader: counting }, blobs, {}, async (some) => {
      expect(some.length).toBeLessThanOrEqual(32)
      for (const { id } of some) expect(blobs.hasPack(id)).toBe(true)
      told += some.length
      expect(read.size).toBe(told)
    })
    expect(told).toBe(80)
    expect([...packs].sort()).toEqual(stored.map(({ id }) => id).sort())
  })

  it('are told apart when they are damaged, and passed over when they go meanwhile', async () => {
    const { repository, uploader } = place()
    const [damaged, gone, whole] = [
      await storedPack(repository, 1, 1),
      await storedPack(repository, 1, 2),
      await storedPack(repository, 1, 3),
    ]
    const object = uploader.objects.get(pathOf(damaged))
    if (object === undefined) expect.unreachable()
    uploader.objects.set(pathOf(damaged), {
      ...object,
      bytes: object.bytes.map((byte, at, all) => (at === all.length - 10 ? byte ^ 1 : byte)),
    })
    const list: Uploader['list'] = async function* (...call) {
      for await (const found of uploader.list(...call)) {
        if (found.key === pathOf(gone)) uploader.objects.delete(found.key)
        yield found
      }
    }
    const { packs, failures } = await addUnindexedPacks({ ...repository, uploader: { ...uploader, list } }, new BlobIndex(), {})
    expect(packs).toEqual([whole.id])
    expect(failures).toMatchObject([{ code: 'CORRUPTED', message: expect.stringContaining(pathOf(damaged)) }])
  })
})

describe('the header of a pack in the store', () => {
  it.each([0, 1, 400, 2000])('with %d blobs describes it', async (count) => {
    const { repository } = place()
    const { id, size, blobs } = await storedPack(repository, count, 1)
    expect(await readPackHeader(repository, id, size, {})).toEqual(blobs)
  })

  it('is read at once where it is short, and in two reads where it is long', async () => {
    const { repository, uploader } = place()
    for (const [count, reads] of [
      [100, 1],
      [2000, 2],
    ] as const) {
      const { id, size } = await storedPack(repository, count, count)
      const before = uploader.calls.download
      await readPackHeader(repository, id, size, {})
      expect(uploader.calls.download - before).toBe(reads)
    }
  })

  const header = seal(key, encodePackHeader([{ type: 'data', id: blobId(1), length: 40, uncompressedLength: 0 }]))
  it.each([
    ['is nothing', Buffer.of()],
    ['is only a length', Buffer.alloc(4)],
    ['claims to be longer than the pack', Buffer.concat([Buffer.alloc(40), header, lengthOf(1000)])],
    ['claims to be of 4 GiB', Buffer.concat([Buffer.alloc(40), header, Buffer.alloc(4, 255)])],
    ['claims to be too short to be sealed', Buffer.concat([Buffer.alloc(40), header, lengthOf(3)])],
    ['is sealed with another key', Buffer.concat([Buffer.alloc(40), seal(createMasterKey(), Buffer.of()), lengthOf(32)])],
    ['is cut within an entry', Buffer.concat([seal(key, Buffer.of(0, 1)), lengthOf(34)])],
    ['describes less than there is', Buffer.concat([Buffer.alloc(41), header, lengthOf(header.byteLength)])],
    ['describes more than there is', Buffer.concat([Buffer.alloc(39), header, lengthOf(header.byteLength)])],
  ])('that %s is damage, with the name of the pack', async (_, bytes) => {
    const { repository, uploader } = place()
    const id = await writeNamedObject(uploader, 'data', bytes, {})
    await expect(readPackHeader(repository, id, bytes.byteLength, {})).rejects.toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringMatching(new RegExp(`^data/${id.slice(0, 2)}/${id}: `)),
    })
  })
})

describe('working on several at once', () => {
  it('works on each once, and on no more at a time than it may', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(fc.nat()), fc.integer({ min: -1, max: 5 }), async (scheduler, values, atOnce) => {
        const seen: number[] = []
        let working = 0
        const work = async (value: number): Promise<void> => {
          expect(++working).toBeLessThanOrEqual(Math.max(1, atOnce))
          await scheduler.schedule(Promise.resolve())
          seen.push(value)
          working--
        }
        await scheduler.waitFor(eachAtOnce(values, atOnce, work))
        expect(seen.sort()).toEqual([...values].sort())
      }),
    )
  })

  it('rejects with the first failure once the others have ended, and begins no more', async () => {
    const [first, second] = [new Error('first'), new Error('second')]
    const gate = Promise.withResolvers<void>()
    const ended: number[] = []
    const work = async (value: number): Promise<void> => {
      if (value === 0) throw first
      await gate.promise
      ended.push(value)
      throw second
    }
    const working = eachAtOnce([1, 0, 2, 3], 2, work)
    setImmediate(() => gate.resolve())
    await expect(working).rejects.toBe(first)
    expect(ended).toEqual([1])
  })
})

function place() {
  const uploader = createMemoryUploader()
  const repository: OpenRepository = { uploader, key, keyId: storageIdOf(Buffer.of()), config: undefined }
  return { uploader, repository }
}

function packId(number: number) {
  return storageIdOf(Buffer.from(`pack ${number}`))
}

function blobId(number: number) {
  return storageIdOf(Buffer.from(`blob ${number}`))
}

function indexed(number: number): IndexedPack {
  return { id: packId(number), blobs: [{ type: 'data', id: blobId(number), offset: 0, length: 100, uncompressedLength: 0 }] }
}

function writeIndex(repository: OpenRepository, packs: readonly IndexedPack[]) {
  return writeSealedJson(repository, 'index', indexJson(packs), {})
}

async function storedPack({ uploader }: OpenRepository, count: number, seed: number) {
  const blobs: PackedBlob[] = Array.from({ length: count }, (_, at) => ({
    type: 'data',
    id: storageIdOf(Buffer.from(`${seed} ${at}`)),
    offset: at * 40,
    length: 40,
    uncompressedLength: at % 2 === 0 ? 0 : 100,
  }))
  const pack = sealPack(key, blobs, Buffer.alloc(count * 40, seed))
  await uploadPack(uploader, pack, {})
  return pack
}

function pathOf({ id }: IndexedPack): string {
  return `data/${id.slice(0, 2)}/${id}`
}

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(length)
  return bytes
}

/** Lists an index that is not there. */
function withGhost(uploader: MemoryUploader): Uploader {
  return {
    ...uploader,
    async *list(prefix, options) {
      if (options?.signal?.aborted) throw new BackupError('the list was aborted', { code: 'ABORTED' })
      if (prefix === 'index/') yield { key: `index/${storageIdOf(Buffer.from('ghost'))}`, size: 100, modifiedAt: '' }
      yield* uploader.list(prefix, options)
    },
  }
}
