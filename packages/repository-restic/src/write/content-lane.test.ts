import { createMemoryUploader, sampleBytes } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { afterEach, expect, it } from 'vitest'
import { BlobIndex } from '../blob-index/blob-index.ts'
import { createMasterKey } from '../crypto/master-key.ts'
import { storageIdOf } from '../format/storage-id.ts'
import { type BlobWorkers, createBlobWorkers } from '../workers/blob-workers.ts'
import { BlobWriter } from './blob-writer.ts'
import { ContentLane, type ReadInto } from './content-lane.ts'
import { copiedInto } from './file-chunking.ts'
import { SlabMemory } from './slab-memory.ts'

const mebibyte = 1024 ** 2
const key = createMasterKey()
const random = sampleBytes(12 * mebibyte, 1)
const begun: BlobWorkers[] = []

afterEach(async () => {
  for (const workers of begun.splice(0)) await workers[Symbol.asyncDispose]()
})

it('tells the hash and the blobs of every content, whatever became of the one before', { timeout: 60_000 }, async () => {
  const { lanes, writer } = working({ threads: 3, lanes: 2 })
  const sizes = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 200_000 }), fc.integer({ min: 1, max: 9 * mebibyte }))
  const contents = fc.array(fc.record({ size: sizes, fails: fc.boolean() }), { maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(contents, contents, async (...byLane) => {
      await Promise.all(
        byLane.map(async (wanted, at) => {
          for (const { size, fails } of wanted) {
            const content = random.subarray(at, at + size)
            const saving = lanes[at]?.save(reading(content, fails), writer, () => undefined)
            if (fails) {
              await expect(saving).rejects.toBe(broken)
              continue
            }
            const saved = await saving
            expect(saved).toMatchObject({ size, sha256: storageIdOf(content) })
            expect(new Set(saved?.blobs.map(({ id }) => id)).size).toBe(saved?.blobs.length)
          }
        }),
      )
    }),
    { numRuns: 15 },
  )
  for (const lane of lanes) lane.end()
  await writer.finish({})
})

it('hashes a content of one chunk once, and knows one that ends where its first chunk does', async () => {
  const { lanes, writer } = working({ threads: 1, lanes: 1 })
  const [lane] = lanes
  const whole = await lane?.save(reading(random, false), writer, () => undefined)
  const firstBytes = await lengthOfFirstChunk(random)
  const exact = await lane?.save(reading(random.subarray(0, firstBytes), false), writer, () => undefined)
  expect(exact?.blobs.map(({ id }) => id)).toEqual([whole?.blobs[0]?.id])
  expect(exact?.sha256).toBe(exact?.blobs[0]?.id)
  lane?.end()
  await writer.finish({})
})

const broken = new Error('the agent could not give it')

function reading(content: Buffer, fails: boolean): ReadInto {
  return async function* (room) {
    async function* pieces() {
      for (let at = 0; at < content.byteLength; at += 400_000) yield content.subarray(at, at + 400_000)
    }
    yield* copiedInto(pieces(), room)
    if (fails) throw broken
  }
}

/** Found by what it is: no other beginning of the content has the id of its first chunk. */
async function lengthOfFirstChunk(content: Buffer): Promise<number> {
  const { lanes, writer } = working({ threads: 1, lanes: 1 })
  const lengths: number[] = []
  const saveChunk = writer.saveChunk.bind(writer)
  writer.saveChunk = (chunk, hash) => {
    lengths.push(chunk.length)
    return saveChunk(chunk, hash)
  }
  await lanes[0]?.save(reading(content, false), writer, () => undefined)
  lanes[0]?.end()
  await writer.finish({})
  return lengths[0] ?? 0
}

function working({ threads, lanes }: { readonly threads: number; readonly lanes: number }) {
  const uploader = createMemoryUploader()
  const slabs = new SlabMemory(lanes + 3, '3da3358b4dc173')
  const workers = createBlobWorkers({ key, memory: slabs.memory.buffer, compressionLevel: 1 }, threads)
  begun.push(workers)
  const writer = new BlobWriter({
    repository: { uploader, key, keyId: storageIdOf(Buffer.of()), config: undefined },
    index: new BlobIndex(),
    workers,
    slabs,
    packBytes: 4 * mebibyte,
    packs: 4,
    compressionLevel: 1,
    signal: new AbortController().signal,
  })
  slabs.onWait = () => writer.sealBatch()
  return { writer, lanes: Array.from({ length: lanes }, () => new ContentLane(slabs, workers.contentHasher())) }
}
