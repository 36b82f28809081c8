import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { countTests, forgivenSkip, skippedTests } from './test-count.mjs'

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

test('a skipped test is forgiven only where its sample files are absent', async () => {
  expect(skippedTests({ testResults: [file('passed', 'passed', 'pending')] })).toEqual([{ file: '/x/a.test.ts', name: 'test 1' }])
  const directory = await mkdtemp(join(tmpdir(), 'test-count-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const samples = { file: join(directory, 'samples.test.ts'), name: 'reads a real one' }
  const other = { file: join(directory, 'other.test.ts'), name: 'reads a real one' }
  await writeFile(samples.file, 'const folder = process.env.BACKUP_PLANET_FIXTURES\n')
  await writeFile(other.file, 'const folder = process.env.ANOTHER\n')
  process.env.BACKUP_PLANET_FIXTURES = join(directory, 'absent')
  expect(forgivenSkip(samples)).toBe('no folder of sample files here')
  expect(forgivenSkip(other)).toBeUndefined()
  process.env.BACKUP_PLANET_FIXTURES = directory
  expect(forgivenSkip(samples)).toBeUndefined()
})

test('a skipped test of POSIX is forgiven on Windows alone, and only where it says so', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'test-count-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const posix = { file: join(directory, 'posix.test.ts'), name: 'a mode' }
  const other = { file: join(directory, 'other.test.ts'), name: 'forgotten' }
  await writeFile(posix.file, "test.skipIf(process.platform === 'win32')('a mode', () => undefined)\n")
  await writeFile(other.file, "test.skip('forgotten', () => undefined)\n")
  expect(forgivenSkip(posix, 'win32')).toBe('of POSIX, not of Windows')
  expect(forgivenSkip(posix, 'linux')).toBeUndefined()
  expect(forgivenSkip(posix, 'darwin')).toBeUndefined()
  expect(forgivenSkip(other, 'win32')).toBeUndefined()
})
