import { describe, expect, it, vi } from 'vitest'
import { gearTable } from '../chunking/gear-table.ts'
import { bytesAt, mostSlabs, SlabMemory, slabBytes } from './slab-memory.ts'

const polynomial = '3da3358b4dc173'

describe('a memory of slabs', () => {
  it('has room for its slabs and the table, and nothing lies on anything else', async () => {
    const memory = new SlabMemory(3, polynomial, () => undefined)
    const slabs = await Promise.all([memory.take(), memory.take(), memory.take()])
    const ranges = slabs.map(({ begin, end }) => [begin, end] as const).sort(([left], [right]) => left - right)
    expect(ranges.every(([begin, end]) => end - begin === slabBytes)).toBe(true)
    expect(ranges[0]?.[0]).toBeGreaterThanOrEqual(256 * 8)
    for (const [at, [begin]] of ranges.entries()) if (at > 0) expect(begin).toBe(ranges[at - 1]?.[1])
    expect(ranges.at(-1)?.[1]).toBe(memory.bytes.byteLength)
    for (const { begin, end } of slabs) memory.bytes.fill(255, begin, end)
    expect(new BigUint64Array(memory.memory.buffer, memory.tableAddress, 256)).toEqual(gearTable(polynomial))
  })

  it('may have as many slabs as a chunker can address', async () => {
    const memory = new SlabMemory(mostSlabs, polynomial, () => undefined)
    const { end } = await memory.take()
    expect(end).toBe(memory.bytes.byteLength)
    expect(end).toBeLessThan(2 ** 32)
    expect(() => new SlabMemory(mostSlabs + 1, polynomial, () => undefined)).toThrow()
  })

  it('is shared with other threads', () => {
    const memory = new SlabMemory(1, polynomial, () => undefined)
    expect(memory.memory.buffer).toBeInstanceOf(SharedArrayBuffer)
    memory.bytes[70_000] = 7
    expect(bytesAt(memory, 70_000, 1)).toEqual(Uint8Array.of(7))
  })

  it('gives a slab again once everybody let go of it, and not before', async () => {
    const onWait = vi.fn()
    const memory = new SlabMemory(1, polynomial, onWait)
    const first = await memory.take()
    first.hold()
    first.hold()
    const waiting = memory.take()
    let given = false
    waiting.then(() => {
      given = true
    })
    expect(onWait).toHaveBeenCalledTimes(1)
    expect(memory.wanted).toBe(true)
    for (let holders = 0; holders < 2; holders++) {
      first.letGo()
      await new Promise((resolve) => setImmediate(resolve))
      expect(given).toBe(false)
    }
    first.letGo()
    expect((await waiting).begin).toBe(first.begin)
    expect(memory.wanted).toBe(false)
  })

  it('that was stopped rejects who waits and who comes', async () => {
    const memory = new SlabMemory(1, polynomial, () => undefined)
    const slab = await memory.take()
    const waiting = memory.take()
    const reason = new Error('the store failed')
    memory.stop(reason)
    await expect(waiting).rejects.toBe(reason)
    slab.letGo()
    await expect(memory.take()).rejects.toBe(reason)
  })
})
