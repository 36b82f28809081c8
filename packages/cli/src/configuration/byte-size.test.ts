import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseByteRate, parseByteSize, printByteSize } from './byte-size.ts'

describe('sizes', () => {
  test.each(['', 'GiB', '-1', '1 QB', '1.2.3MB', '1,5GB', '1e3', '0x10', '2 GiB/s', '٣', '9007199254740993', 'NaN'])(
    '%j is refused',
    (text) => {
      expect(parseByteSize(text)).toBeUndefined()
    },
  )

  test.each([
    ['0', 0],
    ['4096', 4096],
    ['17B', 17],
    ['20MB', 20_000_000],
    ['2GiB', 2_147_483_648],
    ['1.5 gib', 1_610_612_736],
    [' 1 TiB ', 1_099_511_627_776],
  ])('%j is %i bytes', (text, bytes) => {
    expect(parseByteSize(text)).toBe(bytes)
  })

  test('every size is read back as it was printed', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (bytes) => void expect(parseByteSize(printByteSize(bytes))).toBe(bytes)))
    fc.assert(
      fc.property(
        fc.nat(8000),
        fc.nat(4),
        (count, power) => void expect(parseByteSize(printByteSize(count * 1024 ** power))).toBe(count * 1024 ** power),
      ),
    )
  })

  test('a rate needs its second', () => {
    expect(parseByteRate('20MB/s')).toBe(20_000_000)
    expect(parseByteRate('20MB')).toBeUndefined()
    expect(parseByteRate('/s')).toBeUndefined()
  })
})
