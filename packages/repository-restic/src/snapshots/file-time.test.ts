import { expect, test } from 'vitest'
import { fileTime } from './file-time.ts'

test.each([
  ['2026-01-02T03:04:05.123456789Z', 1767323045.1234567],
  ['2026-01-02T05:04:05.123456789+02:00', 1767323045.1234567],
  ['2026-01-02T03:04:05Z', 1767323045],
  ['1970-01-01T00:00:00.5Z', 0.5],
  ['1969-12-31T23:59:59.25Z', new Date(-750)],
  ['0001-01-01T00:00:00Z', new Date(-62135596800000)],
])('%s', (text, time) => {
  expect(fileTime(text)).toEqual(time)
})

test.each([undefined, '', 'yesterday', '2026-01-02', '2026-13-02T03:04:05Z'])('%j is no time', (text) => {
  expect(fileTime(text)).toBeUndefined()
})
