import { chunksOf, sampleBytes } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chunkLimits } from '../chunking/chunker.ts'
import { type Chunk, copiedInto, FileChunking } from './file-chunking.ts'
import { SlabMemory, slabBytes } from './slab-memory.ts'

const polynomial = '3da3358b4dc173'
const mebibyte = 1024 ** 2
/** Random bytes, and the same over and over again: chunks of every length. */
const large = Buffer.concat([sampleBytes(12 * mebibyte, 1), Buffer.alloc(9 * mebibyte), sampleBytes(9 * mebibyte, 2)])

describe('a file that is cut', () => {
  it('is its chunks, one behind the other, in pieces of whatever sizes it comes', async () => {
    const expected = (await cutAlone(large, [mebibyte])).map(({ length }) => length)
    expect(expected.some((length) => length === chunkLimits.maximum)).toBe(true)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: 20 * mebibyte })), { maxLength: 4 }),
        async (sizes) => {
          // With nothing but single bytes it would take minutes.
          const chunks = await cutAlone(large, [...sizes, 100_000])
          expect(Buffer.concat(chunks).equals(large)).toBe(true)
          expect(chunks.map(({ length }) => length)).toEqual(expected)
        },
      ),
      { numRuns: 8 },
    )
  })

  it('knows its size, and of its only chunk that there is no other', async () => {
    const { lane, take } = cutting()
    for (const size of [0, 1, 1000, chunkLimits.minimum, chunkLimits.minimum + 1, 3 * mebibyte]) {
      const content = sampleBytes(size, 1)
      const onlys: boolean[] = []
      const told: number[] = []
      const cut = await lane.cut(
        (room) => copiedInto(chunksOf(content, [300_000]), room),
        (chunk, only) => {
          onlys.push(only)
          take(chunk)
        },
        (bytes) => told.push(bytes),
      )
      expect(cut).toBe(size)
      expect(onlys).toEqual(size === 0 ? [] : size < mebibyte ? [true] : [false, ...onlys.slice(1).map(() => false)])
      expect(told.reduce((sum, bytes) => sum + bytes, 0)).toBe(size)
    }
  })

  it('is whole also where chunks are overwritten as soon as they were given', async () => {
    const { lane, memory } = cutting()
    const chunks: Buffer[] = []
    await lane.cut(
      (room) => copiedInto(chunksOf(large, [100_000]), room),
      ({ slab, address, length }) => {
        chunks.push(Buffer.from(memory.bytes.subarray(address, address + length)))
        memory.bytes.fill(0xee, address, address + length)
        slab.letGo()
      },
      () => undefined,
    )
    const undisturbed = await cutAlone(large, [100_000])
    expect(chunks.map(({ length }) => length)).toEqual(undisturbed.map(({ length }) => length))
    expect(Buffer.concat(chunks).equals(large)).toBe(true)
  })

  it('that ends with an error leaves the lane to the next one', async () => {
    const { lane, memory, take } = cutting(2)
    const broken = new Error('the file has changed')
    async function* breaking(): AsyncGenerator<Uint8Array, void> {
      yield sampleBytes(9 * mebibyte, 3)
      throw broken
    }
    for (let attempt = 0; attempt < 5; attempt++) {
      await expect(
        lane.cut(
          (room) => copiedInto(breaking(), room),
          take,
          () => undefined,
        ),
      ).rejects.toBe(broken)
      const chunks: Buffer[] = []
      await lane.cut(
        (room) => copiedInto(chunksOf(large, [mebibyte]), room),
        (chunk) => {
          chunks.push(bytesIn(memory, chunk))
          chunk.slab.letGo()
        },
        () => undefined,
      )
      expect(Buffer.concat(chunks).equals(large)).toBe(true)
    }
    lane.end()
    expect(await freeSlabs(memory, 2)).toBe(2)
  })
})

describe('small files', () => {
  it('share a slab until there is no room for the shortest chunk', async () => {
    const { lane, memory } = cutting(2)
    const slabs = new Set<number>()
    const held: Chunk[] = []
    const perSlab = Math.floor((slabBytes - chunkLimits.minimum) / 1000) + 1
    for (let file = 0; file < perSlab + 1; file++) {
      await lane.cut(
        (room) => copiedInto(chunksOf(sampleBytes(1000, file), [1000]), room),
        (chunk) => held.push(chunk),
        () => undefined,
      )
      slabs.add(held.at(-1)?.slab.begin ?? 0)
      expect(slabs.size).toBe(file < perSlab ? 1 : 2)
    }
    for (const [file, chunk] of held.entries()) expect(bytesIn(memory, chunk).equals(sampleBytes(1000, file))).toBe(true)
    for (const { slab } of held) slab.letGo()
    lane.end()
    expect(await freeSlabs(memory, 2)).toBe(2)
  })
})

describe('several lanes', () => {
  it('come to their end with one slab more than they are, however slowly chunks are taken', async () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 12 * mebibyte })), { maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(fc.array(sizes, { minLength: 3, maxLength: 3 }), fc.infiniteStream(fc.nat(20)), async (lanes, delays) => {
        const slabCount = lanes.length + 1
        const memory = new SlabMemory(slabCount, polynomial, () => undefined)
        await Promise.all(
          lanes.map(async (files) => {
            const lane = new FileChunking(memory)
            for (const size of files) {
              const content = large.subarray(0, size)
              const taken: Promise<Buffer>[] = []
              await lane.cut(
                (room) => copiedInto(chunksOf(content, [300_000]), room),
                (chunk) => taken.push(takenAfter(memory, chunk, delays.next().value)),
                () => undefined,
              )
              expect(Buffer.concat(await Promise.all(taken)).equals(content)).toBe(true)
            }
            lane.end()
          }),
        )
        expect(await freeSlabs(memory, slabCount)).toBe(slabCount)
      }),
      { numRuns: 12 },
    )
  })

  it('hear of it when the memory is stopped while they wait', async () => {
    const memory = new SlabMemory(2, polynomial, () => memory.stop(reason))
    const reason = new Error('the store failed')
    const lane = new FileChunking(memory)
    await expect(
      lane.cut(
        (room) => copiedInto(chunksOf(large, [mebibyte]), room),
        () => undefined,
        () => undefined,
      ),
    ).rejects.toBe(reason)
    lane.end()
  })
})

function cutting(slabs = 4) {
  const memory = new SlabMemory(slabs, polynomial, () => undefined)
  return { memory, lane: new FileChunking(memory), take: ({ slab }: Chunk) => slab.letGo() }
}

async function cutAlone(content: Buffer, sizes: readonly number[]): Promise<Buffer[]> {
  const { memory, lane } = cutting()
  const chunks: Buffer[] = []
  await lane.cut(
    (room) => copiedInto(chunksOf(content, sizes), room),
    (chunk) => {
      chunks.push(bytesIn(memory, chunk))
      chunk.slab.letGo()
    },
    () => undefined,
  )
  lane.end()
  return chunks
}

function bytesIn({ bytes }: SlabMemory, { address, length }: Chunk): Buffer {
  return Buffer.from(bytes.subarray(address, address + length))
}

/** As the workers do it: later, and overwriting it. */
async function takenAfter(memory: SlabMemory, chunk: Chunk, turns: number): Promise<Buffer> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
  const taken = bytesIn(memory, chunk)
  memory.bytes.fill(0xee, chunk.address, chunk.address + chunk.length)
  chunk.slab.letGo()
  return taken
}

/** Of `most`. */
async function freeSlabs(memory: SlabMemory, most: number): Promise<number> {
  let free = 0
  for (; free < most; free++) {
    const taken = memory.take()
    if (memory.wanted) break
    await taken
  }
  return free
}
