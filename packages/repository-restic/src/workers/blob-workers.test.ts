import { sampleBytes } from '@backup-planet/core/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { createMasterKey } from '../crypto/master-key.ts'
import { seal, sealOverhead } from '../crypto/sealed-bytes.ts'
import { storageIdOf } from '../format/storage-id.ts'
import { compress } from '../format/zstd.ts'
import type { BlobWorkerData, PackedRegion } from './blob-worker-messages.ts'
import { type BlobWorkers, createBlobWorkers, createInlineBlobWorkers } from './blob-workers.ts'

const key = createMasterKey()
const begun: BlobWorkers[] = []

afterEach(async () => {
  for (const workers of begun.splice(0)) await workers[Symbol.asyncDispose]()
})

const kinds = [
  ['in this thread', createInlineBlobWorkers],
  ['in one thread', (data: BlobWorkerData) => createBlobWorkers(data, 1)],
  ['in three threads', (data: BlobWorkerData) => createBlobWorkers(data, 3)],
] as const

describe.each(kinds)('blobs that are worked on %s', (_, create) => {
  it('are hashed, sealed where they lie, and opened again', async () => {
    const { workers, memory } = working(create)
    const contents = Array.from({ length: 40 }, (_, at) =>
      at % 2 === 0 ? sampleBytes(5000 + at, 1 + at) : Buffer.alloc(5000 + at, `${at} `),
    )
    const regions = contents.map((bytes, at) => {
      memory.set(bytes, at * 10_000)
      return { address: at * 10_000, length: bytes.byteLength }
    })
    const hashes = await Promise.all(regions.map((region) => workers.hash(region)))
    expect(hashes.map(({ id }) => Buffer.from(id).toString('hex'))).toEqual(contents.map(storageIdOf))
    memory.fill(0xaa, 400_000)
    const halves = [regions.slice(0, 20), regions.slice(20)]
    const results = await Promise.all(halves.map((half) => workers.seal(half)))
    expect(memory.subarray(400_000).every((byte) => byte === 0xaa)).toBe(true)
    const packed: PackedRegion[] = []
    const pieces: Uint8Array[] = []
    let offset = 0
    for (const [half, { blobs, ends }] of results.entries()) {
      for (const [at, { length, uncompressedLength }] of blobs.entries()) {
        const address = halves[half]?.[at]?.address ?? 0
        const middle = at * sealOverhead + 16
        pieces.push(ends.subarray(middle - 16, middle), memory.subarray(address, address + length), ends.subarray(middle, middle + 16))
        packed.push({ offset, length: length + sealOverhead, uncompressedLength, id: storageIdOf(contents[half * 20 + at] ?? Buffer.of()) })
        offset += length + sealOverhead
      }
    }
    expect(packed.map(({ uncompressedLength }) => uncompressedLength > 0)).toEqual(contents.map((_, at) => at % 2 === 1))
    const { blobs } = await workers.open(Buffer.concat(pieces), packed)
    expect(blobs.map((blob) => (typeof blob === 'string' ? blob : storageIdOf(blob)))).toEqual(packed.map(({ id }) => id))
  })

  it('are opened beside others that are damaged, which are told by what is wrong', async () => {
    const { workers } = working(create)
    const sealed = ['one', 'two', 'three'].map((text) => seal(key, Buffer.from(text)))
    const [, second = Buffer.of()] = sealed
    second[20] = (second[20] ?? 0) ^ 1
    let offset = 0
    const packed = ['one', 'two', 'three'].map((text, at) => {
      const { byteLength: length } = sealed[at] ?? Buffer.of()
      offset += length
      return { offset: offset - length, length, uncompressedLength: 0, id: storageIdOf(Buffer.from(text)) }
    })
    const { blobs } = await workers.open(Buffer.concat(sealed), packed)
    const damage = expect.stringContaining('authentication code is wrong')
    expect(blobs.map((blob) => (typeof blob === 'string' ? blob : Buffer.from(blob).toString()))).toEqual(['one', damage, 'three'])
    expect((await workers.check(Buffer.concat(sealed), packed)).reasons).toEqual([undefined, damage, undefined])
  })

  it('are checked without holding the plaintexts: 64 blobs of 8 MiB that lie in a few kilobytes', { timeout: 60_000 }, async () => {
    const { workers } = working(create)
    const plaintext = Buffer.alloc(8 * 1024 ** 2)
    const sealed = seal(key, compress(plaintext, 2))
    const { byteLength: length } = sealed
    const packed = Array.from({ length: 64 }, (_, at) => {
      return { offset: at * length, length, uncompressedLength: plaintext.byteLength, id: storageIdOf(plaintext) }
    })
    const before = process.memoryUsage.rss()
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss() - before)
    }, 2)
    try {
      const { reasons } = await workers.check(Buffer.concat(packed.map(() => sealed)), packed)
      expect(reasons).toEqual(packed.map(() => undefined))
    } finally {
      clearInterval(watch)
    }
    expect(Math.max(most, process.memoryUsage.rss() - before)).toBeLessThan(200 * 1024 ** 2)
  })

  it('are hashed together with the contents that they make up, several at once', async () => {
    const { workers, memory } = working(create)
    memory.set(sampleBytes(memory.byteLength, 3))
    const hashed = await Promise.all(
      [0, 1, 2].map(async (lane) => {
        const hasher = workers.contentHasher()
        const found: [string, string][] = []
        for (const chunks of [3, 1, 5]) {
          const regions = Array.from({ length: chunks }, (_, at) => ({ address: lane * 300_000 + at * 50_000, length: 50_000 - at }))
          const ids = await Promise.all(regions.map((region, at) => hasher.hash(region, at === 0)))
          for (const [at, { id }] of ids.entries()) expect(hex(id)).toBe(storageIdOf(bytesOf(memory, regions[at])))
          found.push([hex((await hasher.digest()).id), storageIdOf(Buffer.concat(regions.map((region) => bytesOf(memory, region))))])
        }
        return found
      }),
    )
    for (const [found, expected] of hashed.flat()) expect(found).toBe(expected)
  })

  it('forget a content that was not ended once the next begins, and know none that was not begun', async () => {
    const { workers, memory } = working(create)
    memory.set(sampleBytes(2000, 4))
    const hasher = workers.contentHasher()
    await expect(hasher.digest()).rejects.toThrow('was not begun')
    await hasher.hash({ address: 0, length: 1000 }, true)
    await hasher.hash({ address: 1000, length: 1000 }, true)
    expect(hex((await hasher.digest()).id)).toBe(storageIdOf(bytesOf(memory, { address: 1000, length: 1000 })))
    await expect(hasher.digest()).rejects.toThrow('was not begun')
  })

  it('fail alone', async () => {
    const { workers, memory } = working(create)
    await expect(workers.hash({ address: memory.byteLength + 1, length: 1 })).rejects.toThrow()
    memory.set(Buffer.from('abc'))
    expect(Buffer.from((await workers.hash({ address: 0, length: 3 })).id).toString('hex')).toBe(storageIdOf(Buffer.from('abc')))
  })

  it('are none where no memory was given', async () => {
    const workers = create({ key, memory: undefined, compressionLevel: 1 })
    begun.push(workers)
    await expect(workers.hash({ address: 0, length: 1 })).rejects.toThrow('no memory')
  })
})

describe('ending the threads', () => {
  it('rejects what has not ended, and what comes', async () => {
    const { workers } = working((data) => createBlobWorkers(data, 2))
    const hasher = workers.contentHasher()
    const jobs = Array.from({ length: 30 }, (_, at) =>
      at % 2 === 0 ? workers.hash({ address: 0, length: 1_000_000 }) : hasher.hash({ address: 0, length: 1_000_000 }, at === 1),
    )
    const settled = Promise.allSettled(jobs)
    await workers[Symbol.asyncDispose]()
    expect((await settled).at(-1)).toMatchObject({ status: 'rejected', reason: { message: 'the worker threads were ended' } })
    await expect(workers.seal([])).rejects.toThrow('the worker threads were ended')
    await workers[Symbol.asyncDispose]()
  })

  it('comes by itself where one cannot be started: everything is rejected with the reason, also later', async () => {
    const notCloneable = { key, memory: undefined, compressionLevel: 1, toString: () => 'a function cannot be sent to a thread' }
    const workers = createBlobWorkers(notCloneable, 2)
    begun.push(workers)
    await expect(workers.seal([])).rejects.toThrow('could not be cloned')
    await expect(workers.hash({ address: 0, length: 1 })).rejects.toThrow('could not be cloned')
    await expect(workers.contentHasher().hash({ address: 0, length: 1 }, true)).rejects.toThrow('could not be cloned')
  })

  it('is possible before any was begun', async () => {
    const { workers } = working((data) => createBlobWorkers(data, 2))
    await workers[Symbol.asyncDispose]()
    await expect(workers.hash({ address: 0, length: 1 })).rejects.toThrow('ended')
  })
})

function hex(id: Uint8Array): string {
  return Buffer.from(id).toString('hex')
}

function bytesOf(memory: Uint8Array, region = { address: 0, length: 0 }): Buffer {
  return Buffer.from(memory.subarray(region.address, region.address + region.length))
}

function working(create: (data: BlobWorkerData) => BlobWorkers) {
  const memory = new SharedArrayBuffer(1_000_000)
  const workers = create({ key, memory, compressionLevel: 2 })
  begun.push(workers)
  return { workers, memory: new Uint8Array(memory) }
}
