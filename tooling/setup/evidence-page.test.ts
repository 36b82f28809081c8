import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { evidencePage } from './evidence-page.mjs'
import { repositoryRoot } from './repository-root.mjs'
import { sweeps } from './sweeps.mjs'

const kill = 'proofs/kill.test.ts'
const money = 'proofs/money.test.ts'
const large = 'packages/repository-archive/e2e/large-entries.test.ts'
const environment = {
  BACKUP_PLANET_SEED: '77',
  BACKUP_PLANET_KILL_COUNT: '100',
  BACKUP_PLANET_MONEY_COUNT: '50',
  BACKUP_PLANET_SWEEP: '1',
}
const today = new Date('2026-02-03T04:05:06Z')

const file = (test: string, status: string, ...states: string[]) => ({
  name: join(repositoryRoot, test),
  status,
  startTime: 1000,
  endTime: 13_400,
  assertionResults: states.map((state) => ({ status: state })),
})

const page = (earlier: string, files: ReturnType<typeof file>[], more: Record<string, unknown> = {}) =>
  evidencePage(earlier, { report: { testResults: files }, environment, figures: [], today, ...more })

const rows = (text: string) => text.split('\n').filter((line) => line.startsWith('| ['))

test('a row tells the proof, how often, the result, the seed, the time, the day and the figures of its own test', () => {
  const figures = [
    { test: kill, figures: { hit: 7, missed: 2 } },
    { test: money, figures: { transfers: 9 } },
    { test: kill, figures: { listed: 3 } },
  ]
  const [row, ...others] = rows(page('', [file(kill, 'passed', 'passed')], { figures }))
  expect(others).toEqual([])
  expect(row).toContain(`](../${kill})`)
  expect(row?.split(' | ').slice(1)).toEqual(['100', 'passed', '77', '12', '2026-02-03', 'hit: 7, missed: 2, listed: 3 |'])
})

test('a run of one test writes its row only, in the order of the sweeps, and leaves the others as they were', () => {
  const both = page('', [file(kill, 'passed', 'passed'), file(money, 'passed', 'passed')])
  expect(rows(both).map((row) => row.includes(money))).toEqual([true, false])
  const again = page(both, [file(kill, 'passed', 'passed')], { environment: { ...environment, BACKUP_PLANET_SEED: '78' } })
  expect(rows(again)[0]).toBe(rows(both)[0])
  expect(rows(again)[1]).toBe(rows(both)[1]?.replace('| 77 |', '| 78 |'))
  expect(again.split('| proof |')[0]).toBe(both.split('| proof |')[0])
})

test('tests that are no sweep, and tests of which nothing ran, write no row', () => {
  const earlier = page('', [file(kill, 'passed', 'passed')])
  expect(page(earlier, [file('packages/core/src/x.test.ts', 'passed', 'passed'), file(kill, 'passed', 'skipped', 'pending')])).toBe(earlier)
})

test('a failure is a row too, also of a file that could not be collected', () => {
  expect(page('', [file(kill, 'failed', 'passed', 'failed')])).toContain('| **1 failed** |')
  expect(page('', [file(kill, 'failed')])).toContain('| **failed** |')
})

test('a part of a test does not count as the test', () => {
  expect(page('', [file(kill, 'passed', 'passed', 'skipped')])).toContain('| passed, **1 not run** |')
})

test('nothing that is not left to chance shows a seed', () => {
  expect(page('', [file(large, 'passed', 'passed')])).toContain('| 1 | passed | – |')
})

test('every sweep is of a test that is there, by a variable of its own', () => {
  expect(sweeps.filter(({ test }) => !existsSync(join(repositoryRoot, test)))).toEqual([])
  expect(new Set(sweeps.map(({ variable }) => variable)).size).toBe(sweeps.length)
})
