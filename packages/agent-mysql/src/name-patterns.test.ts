import { expect, test } from 'vitest'
import { mysqlAgentSettingsSchema } from './mysql-agent-settings.ts'
import { matchesPattern, matchesTable } from './name-patterns.ts'

test.each([
  ['shop', 'shop', true],
  ['shop', 'shop2', false],
  ['crm_*', 'crm_1', true],
  ['c?m', 'c😀m', true],
  ['a+b(c)', 'a+b(c)', true],
  ['a.b', 'axb', false],
  ['*', 'a\nb', true],
])('%s against %j: %s', (pattern, name, fits) => {
  expect(matchesPattern(pattern, name)).toBe(fits)
})

test.each([
  ['shop.log*', 'shop', 'log.2024', true],
  // Not `shop` and `2024.log`.
  ['shop*.log', 'shop', '2024.log', false],
  ['shop*.log', 'shop2', 'log', true],
])('%s against the table %s.%s: %s', (pattern, schema, table, fits) => {
  expect(matchesTable(pattern, schema, table)).toBe(fits)
})

test('a pattern of tables that could fit none is refused, since it would leave out everything', () => {
  const refusals = ['orders', '.orders', 'shop.'].map((pattern) =>
    mysqlAgentSettingsSchema.safeParse({ user: 'u', includeTables: [pattern] }),
  )
  expect(refusals.map((result) => result.success)).toEqual([false, false, false])
  expect(mysqlAgentSettingsSchema.safeParse({ user: 'u', excludeTables: ['orders'] }).success).toBe(false)
})
