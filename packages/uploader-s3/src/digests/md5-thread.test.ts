import { createHash } from 'node:crypto'
import { sampleBytes } from '@backup-planet/core/testing'
import { expect, it } from 'vitest'
import { createMd5Thread } from './md5-thread.ts'

const bytes = sampleBytes(3 * 1024 ** 2, 4)
const shared = Buffer.from(new SharedArrayBuffer(bytes.length))
bytes.copy(shared)
const expected = (of: Uint8Array): string => createHash('md5').update(of).digest('hex')

it('is that of the bytes, many at once, wherever they lie', async () => {
  const thread = createMd5Thread()
  const parts = [shared, shared.subarray(5, 2_000_000), shared.subarray(7, 100), bytes, shared.subarray(0, 0)]
  const found = await Promise.all([...parts, ...parts].map((part) => thread.md5Of(part)))
  expect(found).toEqual([...parts, ...parts].map(expected))
  thread.end()
})

it('comes also when the thread ends in the middle, and after', async () => {
  const thread = createMd5Thread()
  const first = Array.from({ length: 20 }, () => thread.md5Of(shared))
  thread.end()
  expect(await Promise.all(first)).toEqual(first.map(() => expected(bytes)))
  expect(await thread.md5Of(shared)).toBe(expected(bytes))
})
