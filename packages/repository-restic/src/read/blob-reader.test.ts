import { BackupError, type Uploader } from '@backup-planet/core'
import { createMemoryUploader, type MemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createMasterKey } from '../crypto/master-key.ts'
import { seal } from '../crypto/sealed-bytes.ts'
import { storageIdOf } from '../format/storage-id.ts'
import type { OpenRepository } from '../repository-access.ts'
import { objectKey, writeNamedObject } from '../repository-objects.ts'
import { type BlobWorkers, createInlineBlobWorkers } from '../workers/blob-workers.ts'
import { plainLength, ReadAhead, readLocatedBlob, type WantedBlob } from './blob-reader.ts'

const mebibyte = 1024 ** 2

test('what compresses well is not opened all at once: a thousand blobs of 8 MiB lie in one small pack', async () => {
  const uploader = createMemoryUploader()
  const pack = await writeNamedObject(uploader, 'data', Buffer.alloc(100), {})
  const repository: OpenRepository = { uploader, key: createMasterKey(), keyId: pack, config: undefined }
  let opened = 0
  const workers: BlobWorkers = {
    threads: 1,
    start: () => undefined,
    hash: () => Promise.reject(new TypeError('nothing is hashed here')),
    contentHasher: () => expect.unreachable(),
    seal: () => Promise.reject(new TypeError('nothing is sealed here')),
    async open(_bytes, blobs) {
      opened += blobs.length
      return { blobs: blobs.map(() => new Uint8Array(1)) }
    },
    check: () => Promise.reject(new TypeError('nothing is only checked here')),
    extract: () => Promise.reject(new TypeError('nothing is written here')),
    async [Symbol.asyncDispose]() {},
  }
  const location = { type: 'data', pack, packNumber: 0, offset: 0, length: 100, uncompressedLength: 8 * mebibyte } as const
  const wanted: WantedBlob[] = Array.from({ length: 1000 }, () => ({ id: pack, location }))
  let taken = 0
  let most = 0
  for await (const _ of new ReadAhead(repository, workers, {}).read(wanted)) {
    most = Math.max(most, opened - taken)
    taken++
  }
  expect(taken).toBe(1000)
  expect(most * 8 * mebibyte).toBeLessThanOrEqual(96 * mebibyte)
})

describe('blobs that are read ahead', () => {
  test('come in the order in which they are wanted, wherever they lie and whenever they arrive', async () => {
    const wantedBlob = fc.record({ pack: fc.nat(3), blob: fc.nat(9) })
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(wantedBlob, { maxLength: 30 }), async (scheduler, wanted) => {
        const { uploader, repository, packs } = await place([10, 10, 10, 10])
        const download: Uploader['download'] = async function* (...call) {
          await scheduler.schedule(Promise.resolve())
          yield* uploader.download(...call)
        }
        const blobs = wanted.map(({ pack, blob }) => ({ ...blobIn(packs, pack, blob) }))
        const found = await scheduler.waitFor(collected(reading({ ...repository, uploader: { ...uploader, download } }, blobs)))
        expect(found).toEqual(blobs.map(({ id }) => id))
      }),
    )
  })

  test('that lie near each other in one pack are one download, and those that do not are several', async () => {
    const { uploader, repository, packs } = await place([40, 3], 40_000)
    const near = Array.from({ length: 10 }, (_, at) => blobIn(packs, 0, at * 2))
    const far = blobIn(packs, 0, 39)
    const other = blobIn(packs, 1, 0)
    await collected(reading(repository, [other, ...near.toReversed(), far]))
    expect(uploader.calls.download).toBe(3)
  })

  test.each([true, false])('come from an uploader that reads ranges: %s', async (rangeRead) => {
    const { repository, packs } = await place([5, 5], 3000, { rangeRead })
    const blobs = [blobIn(packs, 1, 3), blobIn(packs, 0, 4), blobIn(packs, 0, 0)]
    expect(await collected(reading(repository, blobs))).toEqual(blobs.map(({ id }) => id))
    for (const { id, location, plaintext } of blobs) expect(await readLocatedBlob(repository, id, location, {})).toEqual(plaintext)
  })

  test('come before one that is damaged, which is named where it is wanted', async () => {
    const { uploader, repository, packs } = await place([10])
    const blobs = Array.from({ length: 10 }, (_, at) => blobIn(packs, 0, at))
    const hit = blobIn(packs, 0, 5).location
    change(uploader, objectKey('data', hit.pack), (bytes) => bytes.map((byte, at) => (at === hit.offset + 20 ? byte ^ 1 : byte)))
    const { found, error } = await collectedUntilError(reading(repository, blobs))
    expect(found).toEqual(blobs.slice(0, 5).map(({ id }) => id))
    expect(error).toMatchObject({
      code: 'CORRUPTED',
      message: expect.stringContaining(`data blob ${blobs[5]?.id.slice(0, 16)} at ${hit.offset}`),
    })
  })

  test('come also from a pack that is cut, as far as it is there', async () => {
    const { uploader, repository, packs } = await place([10])
    const blobs = Array.from({ length: 10 }, (_, at) => blobIn(packs, 0, at))
    const cut = blobIn(packs, 0, 7).location
    change(uploader, objectKey('data', cut.pack), (bytes) => bytes.subarray(0, cut.offset + cut.length - 1))
    const { found, error } = await collectedUntilError(reading(repository, blobs))
    expect(found).toEqual(blobs.slice(0, 7).map(({ id }) => id))
    expect(error).toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining(objectKey('data', cut.pack)) })
  })

  test('come before one whose pack is gone', async () => {
    const { uploader, repository, packs } = await place([3, 3])
    const blobs = [blobIn(packs, 0, 0), blobIn(packs, 1, 0), blobIn(packs, 0, 2)]
    uploader.objects.delete(objectKey('data', blobs[1]?.location.pack ?? ''))
    const { found, error } = await collectedUntilError(reading(repository, blobs))
    expect(found).toEqual([blobs[0]?.id])
    expect(error).toMatchObject({ code: 'NOT_FOUND' })
  })

  test('are asked for no further ahead than there is memory, and come before what breaks the asking', async () => {
    const { repository, packs } = await place([40], mebibyte)
    const broken = new Error('the last one is nowhere')
    let asked = 0
    async function* asking() {
      for (let blob = 0; blob < 40; blob++) {
        asked++
        yield blobIn(packs, 0, blob)
      }
      throw broken
    }
    let taken = 0
    const reads = async () => {
      for await (const plaintext of reading(repository, asking())) {
        expect(storageIdOf(plaintext)).toBe(blobIn(packs, 0, taken).id)
        taken++
        // Sealed and plain, a blob is two mebibytes.
        expect((asked - taken) * 2 * mebibyte).toBeLessThanOrEqual(64 * mebibyte)
      }
    }
    await expect(reads()).rejects.toBe(broken)
    expect(taken).toBe(40)
  })

  test('are not waited for once nobody takes them', async () => {
    const { uploader, repository, packs } = await place([2, 2, 2, 2, 2, 2])
    for (const occurrence of [2, 3, 4]) uploader.injectFault({ operation: 'download', occurrence, action: 'stall' })
    const taken: Uint8Array[] = []
    for await (const plaintext of reading(
      repository,
      Array.from({ length: 6 }, (_, pack) => blobIn(packs, pack, 0)),
    )) {
      taken.push(plaintext)
      break
    }
    expect(taken).toEqual([blobIn(packs, 0, 0).plaintext])
  })

  test('end with ABORTED when they are aborted', async () => {
    const { uploader, repository, packs } = await place([2, 2])
    uploader.injectFault({ operation: 'download', occurrence: 2, action: 'stall' })
    const controller = new AbortController()
    const blobs = reading(repository, [blobIn(packs, 0, 0), blobIn(packs, 1, 0)], { signal: controller.signal })
    expect((await blobs.next()).value).toEqual(blobIn(packs, 0, 0).plaintext)
    const next = blobs.next()
    controller.abort()
    await expect(next).rejects.toMatchObject({ code: 'ABORTED' })
  })

  test('are read by no more downloads at once than the uploader makes, and no further ahead than there is memory', async () => {
    const { uploader, repository, packs } = await place(Array(40).fill(2), mebibyte, { concurrency: 3 })
    let atOnce = 0
    let mostAtOnce = 0
    let begun = 0
    const download: Uploader['download'] = async function* (...call) {
      begun++
      mostAtOnce = Math.max(mostAtOnce, ++atOnce)
      try {
        await new Promise((resolve) => setImmediate(resolve))
        yield* uploader.download(...call)
      } finally {
        atOnce--
      }
    }
    const blobs = Array.from({ length: 40 }, (_, pack) => blobIn(packs, pack, 0))
    let taken = 0
    for await (const plaintext of reading({ ...repository, uploader: { ...uploader, download } }, blobs)) {
      expect(storageIdOf(plaintext)).toBe(blobs[taken]?.id)
      taken++
      // Sealed and plain, a blob is two mebibytes.
      expect((begun - taken) * 2 * mebibyte).toBeLessThanOrEqual(64 * mebibyte)
    }
    expect(taken).toBe(40)
    expect(mostAtOnce).toBe(3)
  })
})

interface PlacedSample extends WantedBlob {
  readonly plaintext: Buffer
}

/** Packs of so many blobs of so many bytes. */
async function place(counts: readonly number[], bytes = 2000, supports: Partial<Uploader['supports']> = {}) {
  const uploader = createMemoryUploader({ supports })
  const key = createMasterKey()
  const packs: PlacedSample[][] = []
  for (const [number, count] of counts.entries()) {
    const plaintexts = Array.from({ length: count }, (_, at) => sampleBytes(bytes, 1 + number * 100 + at))
    const sealed = plaintexts.map((plaintext) => seal(key, plaintext))
    const pack = await writeNamedObject(uploader, 'data', Buffer.concat(sealed), {})
    packs.push(
      plaintexts.map((plaintext, at) => {
        const { byteLength: length } = sealed[at] ?? Buffer.of()
        const location = { type: 'data', pack, packNumber: number, offset: at * length, length, uncompressedLength: 0 } as const
        expect(plainLength(location)).toBe(bytes)
        return { id: storageIdOf(plaintext), location, plaintext }
      }),
    )
  }
  const repository: OpenRepository = { uploader, key, keyId: storageIdOf(Buffer.of()), config: undefined }
  return { uploader, repository, packs }
}

function blobIn(packs: readonly (readonly PlacedSample[])[], pack: number, blob: number): PlacedSample {
  const found = packs[pack]?.[blob]
  if (found === undefined) throw new TypeError(`there is no blob ${blob} in pack ${pack}`)
  return found
}

function reading(
  repository: OpenRepository,
  wanted: readonly WantedBlob[] | AsyncIterable<WantedBlob>,
  options = {},
): AsyncGenerator<Uint8Array, void> {
  const workers = createInlineBlobWorkers({ key: repository.key, memory: undefined, compressionLevel: 0 })
  return new ReadAhead(repository, workers, options).read(wanted)
}

/** The ids of what comes. */
async function collected(blobs: AsyncIterable<Uint8Array>): Promise<string[]> {
  const { found, error } = await collectedUntilError(blobs)
  if (error !== undefined) throw error
  return found
}

async function collectedUntilError(blobs: AsyncIterable<Uint8Array>) {
  const found: string[] = []
  try {
    for await (const plaintext of blobs) found.push(storageIdOf(plaintext))
  } catch (error) {
    if (!BackupError.is(error)) throw error
    return { found, error }
  }
  return { found, error: undefined }
}

function change({ objects }: MemoryUploader, name: string, changed: (bytes: Uint8Array) => Uint8Array): void {
  const object = objects.get(name)
  if (object === undefined) throw new TypeError(`there is no ${name}`)
  objects.set(name, { ...object, bytes: changed(object.bytes) })
}
