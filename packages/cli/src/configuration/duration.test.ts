import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeDuration, parseDuration, printDuration } from './duration.ts'

describe('durations', () => {
  test.each(['', 'm', '15', '-5m', '1.5h', '5m1h', '5 parsecs', '1h 1h', '99999999999999999w'])('%j is refused', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })

  test.each([
    ['15m', 900_000],
    ['1h30m', 5_400_000],
    ['250ms', 250],
    ['2 w', 1_209_600_000],
    ['1m1ms', 60_001],
    ['0s', 0],
  ])('%j is %i ms', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds)
  })

  test('every duration is read back as it was printed', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (milliseconds) => void expect(parseDuration(printDuration(milliseconds))).toBe(milliseconds)))
  })

  test('for people durations keep their two largest units', () => {
    expect([-5, 0, 400, 5000, 190_000, 3_600_000, 90_061_000, 30 * 86_400_000].map(describeDuration)).toEqual([
      '0s',
      '0s',
      '0s',
      '5s',
      '3m10s',
      '1h',
      '1d1h',
      '30d',
    ])
  })
})
