import { expect, it } from 'vitest'
import { isStorageId, storageIdOf } from './storage-id.ts'

it('is the SHA-256 in hex: FIPS 180-2, appendix B.1', () => {
  expect(storageIdOf(Buffer.from('abc'))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
})

it.each([
  ['0'.repeat(64), true],
  ['0123456789abcdef'.repeat(4), true],
  ['0'.repeat(63), false],
  ['0'.repeat(65), false],
  ['A'.repeat(64), false],
  [`${'0'.repeat(64)}\n`, false],
  [`../${'0'.repeat(61)}`, false],
  [['0'.repeat(64)], false],
  [undefined, false],
])('%j is one: %s', (text, is) => {
  expect(isStorageId(text)).toBe(is)
})
