import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chunkEnds, chunkerOn, memoryFor, noise } from './__fixtures__/chunked-stream.ts'
import { referenceBoundaries } from './__fixtures__/reference-boundaries.ts'
import { type ChunkLimits, chunkLimits } from './chunker.ts'
import { gearTable, gearTableBytes } from './gear-table.ts'

const polynomial = '25b468838dcb75'
const mebibyte = 2 ** 20

/** Sizes at which a few kilobytes have many boundaries. */
const smallLimits = fc.record({
  minimum: fc.integer({ min: 64, max: 200 }),
  maximum: fc.integer({ min: 200, max: 900 }),
  boundaryBits: fc.integer({ min: 4, max: 10 }),
})

const content = fc.oneof(
  fc.tuple(fc.integer({ min: 0, max: 4000 }), fc.string()).map(([bytes, seed]) => noise(bytes, seed)),
  fc.uint8Array({ maxLength: 2000 }),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 9 }), fc.integer({ min: 0, max: 400 }))
    .map(([pattern, times]) => new Uint8Array(Buffer.concat(Array.from({ length: times }, () => pattern)))),
)

describe('where chunks end', () => {
  it('is where the definition says', () => {
    fc.assert(
      fc.property(content, smallLimits, fc.string(), (bytes, limits, key) => {
        expect(chunkEnds(bytes, key, limits)).toEqual(referenceBoundaries(bytes, gearTable(key), limits))
      }),
    )
  })

  it('does not depend on the pieces that it is looked at in, on moves of the bytes, or on others at work in the same memory', () => {
    fc.assert(
      fc.property(content, content, smallLimits, fc.infiniteStream(fc.integer({ min: 0, max: 700 })), (first, second, limits, steps) => {
        const room = 2 * Math.max(first.length, second.length) + 1000
        const memory = memoryFor(2 * room, polynomial)
        const streams = [first, second].map((bytes, index) =>
          cutInPieces(bytes, limits, memory, gearTableBytes + index * room, room, steps),
        )
        const ends: number[][] = [[], []]
        for (let running = true; running; ) {
          running = false
          for (const [index, stream] of streams.entries()) {
            const step = stream.next()
            if (step.done) continue
            running = true
            if (step.value !== undefined) ends[index]?.push(step.value)
          }
        }
        expect(ends).toEqual([chunkEnds(first, polynomial, limits), chunkEnds(second, polynomial, limits)])
      }),
    )
  })

  it('moves only around what was inserted or removed', () => {
    const limits = { minimum: 256, maximum: 8192, boundaryBits: 10 }
    const edit = fc.record({
      at: fc.integer({ min: 0, max: 200_000 }),
      removed: fc.integer({ min: 0, max: 1000 }),
      inserted: fc.uint8Array({ maxLength: 1000 }),
    })
    fc.assert(
      fc.property(fc.string(), edit, (seed, { at, removed, inserted }) => {
        const before = Buffer.from(noise(200_000, seed))
        const after = Buffer.concat([before.subarray(0, at), inserted, before.subarray(at + removed)])
        const known = new Set(chunksOf(before, limits))
        const fresh = chunksOf(after, limits).filter((chunk) => !known.has(chunk))
        expect(known.size).toBeGreaterThan(100)
        expect(fresh.length).toBeLessThan(30)
      }),
    )
  })

  it('is another place for another polynomial', () => {
    const bytes = noise(64 * mebibyte, 'two keys')
    const inner = (key: string) => chunkEnds(bytes, key).slice(0, -1)
    const others = new Set(inner('3da3358b4dc173'))
    expect(inner(polynomial).filter((end) => others.has(end))).toEqual([])
    expect(inner(polynomial).length).toBeGreaterThan(30)
  })
})

describe('the sizes of chunks', () => {
  it('are those of restic where nothing repeats: 512 KiB to 8 MiB, 1.5 MiB on average', () => {
    const sizes = sizesOf(chunkEnds(noise(256 * mebibyte, 'average'), polynomial)).slice(0, -1)
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(chunkLimits.minimum)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(chunkLimits.maximum)
    const average = sizes.reduce((sum, size) => sum + size, 0) / sizes.length
    expect(average / mebibyte).toBeGreaterThan(1.3)
    expect(average / mebibyte).toBeLessThan(1.7)
  })

  it('are the longest where a byte repeats', () => {
    const room = chunkLimits.maximum + 1
    const memory = memoryFor(room, polynomial)
    const chunker = chunkerOn(memory)
    for (let byte = 0; byte < 256; byte++) {
      new Uint8Array(memory.buffer, gearTableBytes).fill(byte)
      chunker.begin(gearTableBytes)
      expect(chunker.scan(gearTableBytes + room - 2)).toBe(-1)
      expect(chunker.scan(gearTableBytes + room)).toBe(gearTableBytes + chunkLimits.maximum)
    }
  })

  it('may be the shortest', () => {
    const limits = { minimum: 64, maximum: 1000, boundaryBits: 1 }
    expect(Math.min(...sizesOf(chunkEnds(noise(4000, 'short'), polynomial, limits)).slice(0, -1))).toBe(64)
  })
})

it('reads no byte outside of the memory', () => {
  const memory = memoryFor(mebibyte, polynomial)
  const chunker = chunkerOn(memory)
  chunker.begin(gearTableBytes)
  expect(() => chunker.scan(memory.buffer.byteLength + 1)).toThrow(/out of bounds/)
})

/**
 * Cuts a stream whose bytes arrive in pieces; between two of them a chunk moves from one end of its room to the other. What the chunker
 * may not look at, before the chunk and behind the piece, is overwritten. Gives each end of a chunk, and `undefined` after other steps.
 */
function* cutInPieces(
  bytes: Uint8Array,
  limits: ChunkLimits,
  memory: ReturnType<typeof memoryFor>,
  roomAddress: number,
  room: number,
  steps: Iterator<number>,
): Generator<number | undefined> {
  const chunker = chunkerOn(memory, limits)
  const lay = (address: number, from: number, to: number) => {
    new Uint8Array(memory.buffer, roomAddress, room).fill(255)
    new Uint8Array(memory.buffer, address).set(bytes.subarray(from, to))
  }
  let begin = 0
  let address = roomAddress
  chunker.begin(address)
  for (let known = 0; known < bytes.length || begin < known; yield undefined) {
    const step: number = steps.next().value
    if (step % 3 === 0) {
      address = roomAddress + (step % 2 === 0 ? 0 : room - (bytes.length - begin))
      chunker.movedTo(address)
    }
    known = Math.min(bytes.length, known + step)
    lay(address, begin, known)
    const boundary = chunker.scan(address + known - begin)
    if (boundary === -1 && known < bytes.length) continue
    const end = boundary === -1 ? bytes.length : begin + boundary - address
    address += end - begin
    begin = end
    chunker.begin(address)
    yield end
  }
}

function chunksOf(bytes: Uint8Array, limits: ChunkLimits): readonly string[] {
  const ends = chunkEnds(bytes, polynomial, limits)
  return ends.map((end, index) => Buffer.from(bytes.subarray(ends[index - 1] ?? 0, end)).toString('base64'))
}

function sizesOf(ends: readonly number[]): readonly number[] {
  return ends.map((end, index) => end - (ends[index - 1] ?? 0))
}
