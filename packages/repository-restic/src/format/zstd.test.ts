import { randomBytes } from 'node:crypto'
import { constants, zstdCompressSync } from 'node:zlib'
import { sampleBytes } from '@backup-planet/core/testing'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { compress, decompress } from './zstd.ts'

it('gives back what it was given, at every level', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 1000 }),
    fc.integer({ min: 0, max: 300_000 }).map((size) => sampleBytes(size, 1)),
    fc.integer({ min: 0, max: 300_000 }).map((size) => Buffer.alloc(size, 'abc')),
  )
  fc.assert(
    fc.property(bytes, fc.integer({ min: 1, max: 19 }), (plaintext, level) => {
      const compressed = compress(plaintext, level)
      expect(decompress(compressed, plaintext.byteLength).equals(plaintext)).toBe(true)
      expect(decompress(compressed, plaintext.byteLength, plaintext.byteLength).equals(plaintext)).toBe(true)
    }),
    { numRuns: 60 },
  )
})

it('refuses more than was announced with a RangeError', () => {
  const compressed = compress(Buffer.alloc(100_000), 3)
  expect(() => decompress(compressed, 99_999)).toThrow(RangeError)
  expect(decompress(compressed, 100_000)).toHaveLength(100_000)
  expect(() => decompress(compressed, 99_999, 99_999)).toThrow(RangeError)
  expect(decompress(compressed, 100_000, 10)).toHaveLength(100_000)
})

it('refuses what is no zstd, or is cut, with a SyntaxError', () => {
  const compressed = compress(randomBytes(1000), 3)
  for (const bytes of [Buffer.of(), Buffer.of(1, 2, 3), compressed.subarray(0, -1), compressed.subarray(0, 4), compressed.subarray(1)])
    expect(() => decompress(bytes, 1000)).toThrow(SyntaxError)
})

it('reads what others compressed without saying how long it is', () => {
  const plaintext = sampleBytes(300_000, 1)
  const compressed = zstdCompressSync(plaintext, { params: { [constants.ZSTD_c_contentSizeFlag]: 0, [constants.ZSTD_c_checksumFlag]: 1 } })
  expect(decompress(compressed, plaintext.byteLength).equals(plaintext)).toBe(true)
  expect(() => decompress(compressed, plaintext.byteLength - 1)).toThrow(RangeError)
})
