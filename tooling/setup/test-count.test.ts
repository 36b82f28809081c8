import { afterEach, expect, test } from 'vitest'
import { countTests, isForgivenSkip, skippedTests } from './test-count.mjs'

const file = (status: string, ...states: string[]) => ({
  name: '/x/a.test.ts',
  status,
  assertionResults: states.map((state, index) => ({ status: state, fullName: `test ${index}` })),
})

const fixtures = process.env.BACKUP_PLANET_FIXTURES
afterEach(() => {
  if (fixtures === undefined) delete process.env.BACKUP_PLANET_FIXTURES
  else process.env.BACKUP_PLANET_FIXTURES = fixtures
})

test('counts tests, not files', () => {
  const report = { testResults: [file('passed', 'passed', 'passed', 'pending'), file('failed', 'failed', 'todo', 'skipped')] }
  expect(countTests(report, 1)).toEqual({ passed: 2, failed: 1, skipped: 3 })
})

test('a file that cannot be collected is a failure, although no test of it failed', () => {
  expect(countTests({ testResults: [file('passed', 'passed'), file('failed')] }, 1)).toEqual({ passed: 1, failed: 1, skipped: 0 })
})

test('an error outside of every test is a failure', () => {
  expect(countTests({ testResults: [file('passed', 'passed')] }, 1)).toEqual({ passed: 1, failed: 1, skipped: 0 })
  expect(countTests({ testResults: [file('passed', 'passed')] }, 0)).toEqual({ passed: 1, failed: 0, skipped: 0 })
})

test('a skipped test is forgiven only where its sample files are absent', () => {
  expect(skippedTests({ testResults: [file('passed', 'passed', 'pending')] })).toEqual([{ file: '/x/a.test.ts', name: 'test 1' }])
  const samples = { file: '/x/a.fixtures.test.ts', name: 'reads a real one' }
  delete process.env.BACKUP_PLANET_FIXTURES
  expect(isForgivenSkip(samples)).toBe(true)
  expect(isForgivenSkip({ file: '/x/a.test.ts', name: 'reads a real one' })).toBe(false)
  process.env.BACKUP_PLANET_FIXTURES = import.meta.dirname
  expect(isForgivenSkip(samples)).toBe(false)
})
