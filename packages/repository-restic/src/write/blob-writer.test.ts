import { BackupError, type Reopenable, type Uploader } from '@backup-planet/core'
import { createMemoryUploader, type MemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { BlobIndex } from '../blob-index/blob-index.ts'
import { createMasterKey } from '../crypto/master-key.ts'
import { sealOverhead } from '../crypto/sealed-bytes.ts'
import { type StorageId, storageIdOf } from '../format/storage-id.ts'
import { readLocatedBlob } from '../read/blob-reader.ts'
import type { OpenRepository } from '../repository-access.ts'
import { findBlob, loadIndex } from '../repository-index.ts'
import { sealBlob } from '../workers/blob-sealing.ts'
import { type BlobWorkers, createInlineBlobWorkers } from '../workers/blob-workers.ts'
import { BlobWriter, type BlobWriterSettings } from './blob-writer.ts'
import type { Chunk } from './file-chunking.ts'
import { SlabMemory, slabBytes } from './slab-memory.ts'

const kibibyte = 1024
const key = createMasterKey()
const unreachable = new BackupError('the store is gone', { code: 'UNREACHABLE', hint: 'Try again.' })

describe('a writer of blobs', () => {
  it('gives back every blob, also to who reads only the index', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ size: fc.integer({ min: 0, max: 40_000 }), seed: fc.integer({ min: 1, max: 6 }), tree: fc.boolean() }), {
          maxLength: 60,
        }),
        fc.integer({ min: 4_000, max: 60_000 }),
        async (wanted, packBytes) => {
          const { writer, chunkOf, repository, released } = writing({ packBytes })
          const contents = wanted.map(({ size, seed, tree }) => ({ type: tree ? 'tree' : 'data', bytes: sampleBytes(size, seed) }) as const)
          const saved = await Promise.all(
            contents.map(({ type, bytes }) => (type === 'tree' ? writer.saveBytes('tree', bytes) : writer.saveChunk(chunkOf(bytes)))),
          )
          await writer.finish({})
          await Promise.all(saved.map(({ durable }) => durable))
          const { blobs, failures } = await loadIndex(repository, {})
          expect(failures).toEqual([])
          expect(blobs.duplicates).toBe(0)
          for (const [at, { type, bytes }] of contents.entries()) {
            expect(saved[at]?.id).toBe(storageIdOf(bytes))
            const place = findBlob(blobs, type, storageIdOf(bytes))
            expect(place).toBeDefined()
            if (place !== undefined) expect(await readLocatedBlob(repository, storageIdOf(bytes), place, {})).toEqual(bytes)
          }
          expect(released()).toBe(true)
        },
      ),
      { numRuns: 25 },
    )
  })

  it('stores once what comes twice at once, and not what was there', async () => {
    const { writer, chunkOf, uploader, released } = writing()
    const large = sampleBytes(200 * kibibyte, 1)
    const small = sampleBytes(1000, 2)
    const saved = await Promise.all([large, small, large, small].map((bytes) => writer.saveChunk(chunkOf(bytes))))
    await writer.finish({})
    expect(new Set(saved.map(({ id }) => id)).size).toBe(2)
    await Promise.all(saved.map(({ durable }) => durable))
    const again = await writer.saveChunk(chunkOf(large), async () => ({ id: Buffer.from(storageIdOf(large), 'hex') }))
    await again.durable
    await writer.finish({})
    expect(packsOf(uploader)).toHaveLength(1)
    expect(writer.indexes).toHaveLength(1)
    expect(released()).toBe(true)
  })

  it('tells a tree from data of the same bytes', async () => {
    const { writer, repository } = writing()
    const bytes = sampleBytes(100, 1)
    await writer.saveBytes('data', bytes)
    await writer.saveBytes('tree', bytes)
    await writer.finish({})
    const { blobs } = await loadIndex(repository, {})
    const places = (['data', 'tree'] as const).map((type) => findBlob(blobs, type, storageIdOf(bytes))?.pack)
    expect(new Set(places).size).toBe(2)
    expect(places).not.toContain(undefined)
  })

  it('sends what is being held back when it is told to, without being finished', async () => {
    const { writer, chunkOf, uploader } = writing()
    const saved = await Promise.all([writer.saveChunk(chunkOf(sampleBytes(100, 1))), writer.saveBytes('tree', sampleBytes(100, 2))])
    expect(packsOf(uploader)).toHaveLength(0)
    writer.send()
    await Promise.all(saved.map(({ durable }) => durable))
    expect(packsOf(uploader)).toHaveLength(2)
    await writer.finish({})
  })

  it('seals what is being held back when its memory is wanted, and keeps the pack open for more', async () => {
    const { writer, chunkOf, uploader, released } = writing()
    await writer.saveChunk(chunkOf(sampleBytes(100, 1)))
    expect(released()).toBe(false)
    writer.sealBatch()
    await vi.waitFor(() => expect(released()).toBe(true))
    expect(packsOf(uploader)).toHaveLength(0)
    await writer.finish({})
    expect(packsOf(uploader)).toHaveLength(1)
  })

  it('holds nothing back while somebody waits for the memory of chunks', async () => {
    const { writer, slabs, chunkOf, released } = writing()
    const all = await Promise.all(Array.from({ length: slabCount }, () => slabs.take()))
    const waiting = slabs.take()
    await writer.saveChunk(chunkOf(sampleBytes(100, 1)))
    await vi.waitFor(() => expect(released()).toBe(true))
    for (const slab of all) slab.letGo()
    ;(await waiting).letGo()
    await writer.finish({})
  })

  it('puts together and sends no more packs than it may, and sends no more at once than the uploader does', async () => {
    const packBytes = 600 * kibibyte
    const largest = 200 * kibibyte
    const store = slowStore()
    const { writer, chunkOf, released, releasedBytes } = writing({ packBytes, packs: 3, uploader: store.uploader, concurrency: 2 })
    const saving = Array.from({ length: 80 }, async (_, at) => {
      const saved = await writer.saveChunk(chunkOf(sampleBytes(130 * kibibyte + ((at * 7919) % (70 * kibibyte)), 1 + at)))
      await saved.durable
    })
    const finished = writer.finish({})
    let mostHeld = 0
    await store.sendAll(() => {
      mostHeld = Math.max(mostHeld, releasedBytes() - store.sentBytes())
      return writer.indexes.length > 0
    })
    await Promise.all([...saving, finished])
    expect(released()).toBe(true)
    expect(store.mostAtOnce()).toBe(2)
    expect(mostHeld).toBeLessThanOrEqual(3 * (packBytes + largest))
    expect(mostHeld).toBeGreaterThan(2 * packBytes)
  })

  it('has a pack also for what is larger than packs are', async () => {
    const { writer, repository } = writing()
    const bytes = sampleBytes(12 * 1024 * kibibyte, 1)
    await writer.saveBytes('tree', sampleBytes(100, 2))
    await writer.saveBytes('tree', bytes)
    await writer.finish({})
    const place = findBlob((await loadIndex(repository, {})).blobs, 'tree', storageIdOf(bytes))
    if (place === undefined) expect.unreachable()
    expect((await readLocatedBlob(repository, storageIdOf(bytes), place, {})).equals(bytes)).toBe(true)
  })

  it('writes an index once it is full, before the end', async () => {
    const { writer, uploader } = writing()
    const bytes = Buffer.alloc(16)
    for (let number = 0; number < 20_001; number++) {
      bytes.writeUInt32LE(number)
      const sealed = Buffer.alloc(sealOverhead + 16)
      await writer.saveSealed('data', storageIdOf(bytes), sealed, 0)
    }
    await vi.waitFor(() => expect(writer.indexes).toHaveLength(1))
    await writer.finish({})
    expect(writer.indexes).toHaveLength(2)
    expect([...uploader.objects.keys()].filter((name) => name.startsWith('index/'))).toHaveLength(2)
  })

  it('takes over blobs that are sealed already', async () => {
    const { writer, repository } = writing()
    const bytes = Buffer.alloc(5000, 'again and again ')
    const { vector, ciphertext, code, uncompressedLength } = sealBlob(key, bytes, 3)
    const sealed = Buffer.concat([vector, ciphertext, code])
    await writer.saveSealed('data', storageIdOf(bytes), sealed, uncompressedLength)
    // They are not needed any more.
    sealed.fill(0)
    await writer.finish({})
    const place = findBlob((await loadIndex(repository, {})).blobs, 'data', storageIdOf(bytes))
    expect(place?.uncompressedLength).toBe(5000)
    if (place !== undefined) expect(await readLocatedBlob(repository, storageIdOf(bytes), place, {})).toEqual(bytes)
  })
})

describe('a writer of blobs whose store fails', () => {
  it('rejects everything that was saved and is not durable, tells of it once, and lets go of all memory', async () => {
    const onFailure = vi.fn()
    const { writer, chunkOf, uploader, released } = writing({ packBytes: 50 * kibibyte, concurrency: 1, onFailure })
    uploader.injectFault({ operation: 'upload', occurrence: 3, action: 'fail', error: unreachable })
    const saving = Array.from({ length: 40 }, (_, at) => writer.saveChunk(chunkOf(sampleBytes(20 * kibibyte, 1 + at))))
    const saved = await Promise.allSettled(saving)
    await expect(writer.finish({})).rejects.toBe(unreachable)
    const durable = await Promise.allSettled(saved.flatMap((result) => (result.status === 'fulfilled' ? [result.value.durable] : [])))
    expect(durable.some(({ status }) => status === 'fulfilled')).toBe(true)
    const reasons = [...saved, ...durable].flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
    expect(new Set(reasons)).toEqual(new Set([unreachable]))
    expect(onFailure.mock.calls).toEqual([[unreachable]])
    expect(released()).toBe(true)
    const later = writer.saveChunk(chunkOf(sampleBytes(10, 99)))
    const known = writer.saveChunk(chunkOf(sampleBytes(10, 98)), async () => ({ id: Buffer.alloc(32) }))
    await expect(later).rejects.toBe(unreachable)
    await expect(known).rejects.toBe(unreachable)
    await expect(writer.saveBytes('tree', sampleBytes(10, 97))).rejects.toBe(unreachable)
    await expect(writer.saveSealed('data', storageIdOf(Buffer.of()), Buffer.alloc(40), 0)).rejects.toBe(unreachable)
    expect(released()).toBe(true)
  })

  it('writes down what was sent before, so that the next run finds it', async () => {
    const { writer, chunkOf, uploader, repository } = writing({ packBytes: 50 * kibibyte })
    const first = await writer.saveChunk(chunkOf(sampleBytes(200 * kibibyte, 1)))
    await first.durable
    uploader.injectFault({ operation: 'upload', occurrence: 2, action: 'fail', error: unreachable })
    const second = await writer.saveChunk(chunkOf(sampleBytes(200 * kibibyte, 2)))
    await expect(second.durable).rejects.toBe(unreachable)
    await writer.settled()
    await writer.writeIndex({})
    const { blobs } = await loadIndex(repository, {})
    expect(findBlob(blobs, 'data', first.id)).toBeDefined()
    expect(findBlob(blobs, 'data', second.id)).toBeUndefined()
  })

  it('keeps the packs of an index that could not be written for the next', async () => {
    const { writer, chunkOf, uploader, repository } = writing()
    const saved = await writer.saveChunk(chunkOf(sampleBytes(100, 1)))
    uploader.injectFault({ operation: 'upload', occurrence: 2, action: 'fail', error: unreachable })
    await expect(writer.finish({})).rejects.toBe(unreachable)
    await writer.writeIndex({})
    expect(findBlob((await loadIndex(repository, {})).blobs, 'data', saved.id)).toBeDefined()
  })

  it('counts a pack that arrived cut as a failure', async () => {
    const memory = createMemoryUploader()
    const upload: Uploader['upload'] = async (name, content, options) => ({ ...(await memory.upload(name, content, options)), size: 1 })
    const { writer, chunkOf } = writing({ uploader: { ...memory, upload } })
    const { durable } = await writer.saveChunk(chunkOf(sampleBytes(100, 1)))
    await expect(writer.finish({})).rejects.toMatchObject({ code: 'CORRUPTED', retryable: true })
    await expect(durable).rejects.toMatchObject({ code: 'CORRUPTED' })
  })

  it('is told of a worker that failed, and lets go of the chunk', async () => {
    const broken: Partial<BlobWorkers> = { hash: () => Promise.reject(new Error('the thread is gone')) }
    const { writer, chunkOf, released } = writing({ workers: broken })
    await expect(writer.saveChunk(chunkOf(sampleBytes(100, 1)))).rejects.toThrow('the thread is gone')
    await expect(writer.finish({})).rejects.toThrow('the thread is gone')
    expect(released()).toBe(true)
  })

  it('begins nothing any more once it was stopped', async () => {
    const { writer, chunkOf, uploader, released } = writing()
    const saved = await writer.saveChunk(chunkOf(sampleBytes(100, 1)))
    writer.stop(unreachable)
    await expect(saved.durable).rejects.toBe(unreachable)
    await expect(writer.finish({})).rejects.toBe(unreachable)
    expect(uploader.objects.size).toBe(0)
    expect(released()).toBe(true)
  })
})

interface Writing {
  readonly writer: BlobWriter
  readonly uploader: MemoryUploader
  readonly repository: OpenRepository
  readonly slabs: SlabMemory
  /** Lies where no slab is taken by {@link SlabMemory.take} in these tests. */
  chunkOf(bytes: Uint8Array): Chunk
  /** Everybody has let go of every chunk. */
  released(): boolean
  /** Of the chunks that everybody has let go of. */
  releasedBytes(): number
}

const slabCount = 3

function writing(
  more: Partial<Omit<BlobWriterSettings, 'workers'>> & {
    readonly uploader?: Uploader
    readonly concurrency?: number
    readonly workers?: Partial<BlobWorkers>
  } = {},
): Writing {
  const { uploader: given, concurrency = 4, workers, ...settings } = more
  const uploader = createMemoryUploader({ supports: { concurrency } })
  const repository: OpenRepository = {
    uploader: given === undefined ? uploader : { ...given, supports: uploader.supports },
    key,
    keyId: storageIdOf(Buffer.of()),
    config: undefined,
  }
  const slabs = new SlabMemory(slabCount, '3da3358b4dc173', () => undefined)
  const begin = slabs.bytes.byteLength - slabCount * slabBytes
  let at = begin
  const chunks: { readonly length: number; holders: number }[] = []
  return {
    uploader,
    repository,
    slabs,
    writer: new BlobWriter({
      repository,
      index: new BlobIndex(),
      workers: { ...createInlineBlobWorkers({ key, memory: slabs.memory.buffer, compressionLevel: 2 }), ...workers },
      slabs,
      packBytes: 1024 * kibibyte,
      packs: 3,
      compressionLevel: 2,
      signal: new AbortController().signal,
      ...settings,
    }),
    chunkOf(bytes) {
      const { byteLength: length } = bytes
      const chunk = { length, holders: 1 }
      const change = (by: number) => () => {
        chunk.holders += by
        if (chunk.holders < 0) throw new TypeError('a chunk was let go of twice')
      }
      chunks.push(chunk)
      slabs.bytes.set(bytes, at)
      at += length
      return { slab: { begin, end: slabs.bytes.byteLength, hold: change(1), letGo: change(-1) }, address: at - length, length }
    },
    released: () => chunks.every(({ holders }) => holders === 0),
    releasedBytes: () => chunks.reduce((sum, { length, holders }) => (holders === 0 ? sum + length : sum), 0),
  }
}

interface SlowStore {
  readonly uploader: Uploader
  /** Lets every upload end, until then. */
  sendAll(until: () => boolean): Promise<void>
  sentBytes(): number
  mostAtOnce(): number
}

/** Uploads end when the test says so. */
function slowStore(): SlowStore {
  const memory = createMemoryUploader()
  const waiting: (() => void)[] = []
  let [mostAtOnce, sentBytes] = [0, 0]
  const upload = async (name: string, content: Reopenable): ReturnType<Uploader['upload']> => {
    const gate = Promise.withResolvers<void>()
    waiting.push(gate.resolve)
    mostAtOnce = Math.max(mostAtOnce, waiting.length)
    await gate.promise
    sentBytes += content.size ?? 0
    return memory.upload(name, content)
  }
  return {
    uploader: { ...memory, upload },
    sendAll: (until) =>
      vi.waitFor(
        () => {
          waiting.shift()?.()
          expect(until()).toBe(true)
        },
        { interval: 1, timeout: 20_000 },
      ),
    sentBytes: () => sentBytes,
    mostAtOnce: () => mostAtOnce,
  }
}

function packsOf({ objects }: MemoryUploader): StorageId[] {
  return [...objects.keys()].filter((name) => name.startsWith('data/'))
}
