import { describe, expect, it } from 'vitest'
import { readPackedDate } from './packed-date.ts'

describe('packed dates', () => {
  it.each([
    ['1f8d455177', '2019-05-02T21:05:55'],
    ['1f8b2ab69f', '2018-12-21T11:26:31'],
    ['0000000000', undefined],
    ['ffffffffff', undefined],
    // 30 February, month 13, hour 24.
    ['1fa0bc0000', undefined],
    ['1fa3420000', undefined],
    ['1fa0438000', undefined],
  ])('%s is %s', (hex, expected) => {
    expect(readPackedDate(Buffer.from(hex, 'hex'), 0)).toBe(expected)
  })
})
