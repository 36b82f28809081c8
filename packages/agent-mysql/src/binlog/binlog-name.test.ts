import { expect, it } from 'vitest'
import { compareBinlogNames, isBinlogFileName, nextBinlogName } from './binlog-name.ts'

it('counts names as servers do', () => {
  expect(nextBinlogName('a.b.000009')).toBe('a.b.000010')
  expect(nextBinlogName('b.999999')).toBe('b.1000000')
  expect(nextBinlogName('b')).toBeUndefined()
  expect(compareBinlogNames('b.999999', 'b.1000000')).toBe(-1)
  expect(compareBinlogNames('b.000010', 'b.000009')).toBe(1)
  expect(compareBinlogNames('b.000010', 'b.000010')).toBe(0)
  expect(compareBinlogNames('b.000010', 'c.000010')).toBeUndefined()
})

it('takes no path for the name of a file', () => {
  expect(['b.000001', 'b', 'a b.000001'].map(isBinlogFileName)).toEqual([true, true, true])
  expect(['', '.', '..', '../b.000001', 'a/b', 'a\\b', 'a\0b', 'b'.repeat(256)].map(isBinlogFileName)).toEqual(Array(8).fill(false))
})
