import { expect, it } from 'vitest'
import { discard } from './discarded-bytes.ts'

it('gives back the memory of large bytes', () => {
  const bytes = new Uint8Array(1024 ** 2)
  const part = bytes.subarray(10)
  discard(part)
  expect(bytes.byteLength).toBe(0)
  discard(bytes)
})

it('leaves small ones alone, which may share their memory with others', () => {
  const bytes = Buffer.from('a secret of somebody else')
  discard(bytes)
  expect(bytes.toString()).toBe('a secret of somebody else')
})

it('leaves shared memory alone', () => {
  const bytes = new Uint8Array(new SharedArrayBuffer(1024 ** 2))
  discard(bytes)
  expect(bytes.byteLength).toBe(1024 ** 2)
})
