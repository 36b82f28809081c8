import { expect, test } from 'vitest'
import { describeBytes } from './describe-bytes.ts'

test('for people sizes keep two or three digits', () => {
  expect([0, 17, 1023, 1024, 10_240, 1_048_575, 1.5 * 1024 ** 3, 700 * 1024 ** 4].map(describeBytes)).toEqual([
    '0 B',
    '17 B',
    '1023 B',
    '1.0 KiB',
    '10 KiB',
    '1.0 MiB',
    '1.5 GiB',
    '700 TiB',
  ])
})
