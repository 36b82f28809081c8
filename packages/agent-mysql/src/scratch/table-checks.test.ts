import { expect, test } from 'vitest'
import { verdictOf } from './table-checks.ts'

const rows = (...messages: readonly (readonly [string, string])[]) =>
  messages.map(([type, text]) => ({ at: (index: number) => ['shop.orders', 'check', type, text][index] }))

test.each([
  ['nothing', rows(), 'nothing'],
  ['an error', rows(['error', 'Corrupt']), 'Corrupt'],
  ['an error before a status', rows(['Error', 'index is damaged'], ['status', 'OK']), 'index is damaged'],
  ['a failed operation', rows(['status', 'Operation failed']), 'Operation failed'],
  ['a warning alone', rows(['warning', 'was not closed']), 'was not closed'],
])('CHECK TABLE that says %s does not pass', (_, said, found) => {
  expect(verdictOf(said)).toEqual({ found, passed: false })
})

test.each([
  ['OK', rows(['status', 'OK'])],
  ['a warning, and OK', rows(['warning', '1 client is using or hasn’t closed the table properly'], ['status', 'OK'])],
  ['that it is up to date', rows(['status', 'Table is already up to date'])],
  ['that the engine has no check', rows(['note', 'The storage engine for the table doesn’t support check'])],
])('CHECK TABLE that says %s passes', (_, said) => {
  expect(verdictOf(said).passed).toBe(true)
})
