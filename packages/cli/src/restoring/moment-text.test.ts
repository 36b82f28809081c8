import fc from 'fast-check'
import { expect, test } from 'vitest'
import { UsageError } from '../usage-error.ts'
import { parseMoment } from './moment-text.ts'

test.each([
  ['2026-07-24T02:00:00Z', '2026-07-24T02:00:00.000Z', true],
  ['2026-07-24 04:00:00+02:00', '2026-07-24T02:00:00.000Z', true],
  ['2026-07-24T04:00:00+0200', '2026-07-24T02:00:00.000Z', true],
  ['2026-07-24T02:00Z', '2026-07-24T02:00:00.000Z', true],
  ['2026-07-24T02:00:00.5Z', '2026-07-24T02:00:00.500Z', false],
  [' 2026-07-24t02:00:00.123z ', '2026-07-24T02:00:00.123Z', false],
])('%j is %s', (text, at, toTheSecond) => {
  expect(parseMoment(text)).toEqual({ at, toTheSecond })
})

test.each([
  'yesterday',
  '',
  '1',
  '2026',
  '2026-07',
  '2026-07-24',
  '2026-02-30T00:00Z',
  '2026-13-01T00:00Z',
  '2026-07-24T25:00Z',
  'T02:00Z',
])('%j is no time', (text) => {
  expect(() => parseMoment(text)).toThrow('is no time')
})

test('a time without a zone is refused, with how it is written in UTC', () => {
  expect(() => parseMoment('2026-07-24 02:00')).toThrow(
    expect.objectContaining({
      message: '"2026-07-24 02:00" does not say in which zone',
      hint: expect.stringContaining('Write 2026-07-24T02:00:00Z for UTC'),
    }),
  )
})

test('any moment comes back from its own text, and any other text is refused', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }), (date) => {
      expect(parseMoment(date.toISOString()).at).toBe(date.toISOString())
    }),
  )
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(() => parseMoment(text)).toThrow(UsageError)
    }),
  )
})
