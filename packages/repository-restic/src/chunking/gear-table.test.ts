import { expect, test } from 'vitest'
import { gearTable } from './gear-table.ts'

const polynomial = '25b468838dcb75'

test('a polynomial gives the same keys for ever, or every repository would be stored once more', () => {
  const table = gearTable(polynomial)
  // printf 'backup-planet gear table\0%s\0%d' 25b468838dcb75 0 | sha256sum, and 63 for the last four.
  expect(hexOf(table.subarray(0, 4))).toBe('958b602e7e763ed6abd0ae8821c682a8088148c6a1e99f2af6f0eb2157bf5528')
  expect(hexOf(table.subarray(252))).toBe('00f52e9b25fac86f5065d696d55a4de33f351e85bc868fb7b33d97806314150b')
})

test('the keys differ from each other and from those of another polynomial', () => {
  expect(new Set([...gearTable(polynomial), ...gearTable('3da3358b4dc173')]).size).toBe(512)
})

function hexOf(keys: BigUint64Array): string {
  const bytes = Buffer.alloc(keys.length * 8)
  keys.forEach((key, index) => {
    bytes.writeBigUInt64LE(key, index * 8)
  })
  return bytes.toString('hex')
}
