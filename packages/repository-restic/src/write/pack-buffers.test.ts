import { expect, it } from 'vitest'
import { PackBuffers, packBufferBytes } from './pack-buffers.ts'

const packBytes = 16 * 1024 ** 2

it('uses the memory of a pack that was sent for the next', async () => {
  const buffers = new PackBuffers(2, packBytes, () => undefined)
  const first = await buffers.take(1)
  buffers.give(first)
  expect(await buffers.take(1)).toBe(first)
})

it('gives back memory that nobody has, and keeps what somebody has', async () => {
  const buffers = new PackBuffers(3, packBytes, () => undefined)
  const [free, held] = [await buffers.take(1), await buffers.take(1)]
  buffers.give(free)
  buffers.release()
  expect(free.byteLength).toBe(0)
  expect(held.byteLength).toBe(packBufferBytes(packBytes))
})

it('takes memory anew after it was given back', async () => {
  const buffers = new PackBuffers(1, packBytes, () => undefined)
  buffers.give(await buffers.take(1))
  buffers.release()
  const again = await buffers.take(1)
  expect(again.byteLength).toBe(buffers.capacity)
})

it('has room for what is larger than packs are, and does not keep it', async () => {
  const buffers = new PackBuffers(1, packBytes, () => undefined)
  const large = await buffers.take(packBytes + 1)
  expect(large.byteLength).toBe(packBytes + 1)
  buffers.give(large)
  expect((await buffers.take(1)).byteLength).toBe(buffers.capacity)
})
