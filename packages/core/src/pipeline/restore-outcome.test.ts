import { expect, test } from 'vitest'
import type { Problem, RestoredItem, RestorePlan } from '../contracts/index.ts'
import { itemsLeftOut, restoreOutcome } from './restore.ts'

const item = (name: string, extra: Partial<RestoredItem> = {}): RestoredItem => ({ item: name, to: name, checks: [], facts: {}, ...extra })
const failure = { code: 'APPLICATION', message: 'it broke' }
const differs = { name: 'rows', expected: '10', found: '9', passed: false }
const problem = (extra: Partial<Problem>): Problem => ({ severity: 'warning', code: 'NOT_FOUND', message: 'm', hint: 'h', ...extra })
const plan = (names: readonly string[], problems: readonly Problem[] = []): RestorePlan => ({
  contract: 'restore-plan/1',
  id: 'plan',
  application: 'test',
  backups: ['1'],
  target: { id: 't', name: 't', fingerprint: '' },
  items: names.map((name) => ({ item: name, to: name, backup: '1', overwrites: [] })),
  steps: [],
  problems,
  request: { rename: {}, overwrite: false, options: {} },
})

test.each([
  ['done', [item('a', { checks: [{ ...differs, passed: true }] })], [], []],
  ['done', [], [], []],
  ['partial', [item('a'), item('b', { failure })], [], []],
  ['partial', [item('a'), item('b', { checks: [differs] })], [], []],
  ['partial', [item('a')], [], [problem({ item: 'b' })]],
  ['partial', [item('a'), item('b', { failure })], [problem({ severity: 'error' })], []],
  ['failed', [item('a', { failure }), item('b', { checks: [differs] })], [], []],
  ['partial', [item('a')], [problem({ severity: 'error' })], []],
] as const)('%s: %j, problems %j, of the plan %j', (outcome, items, problems, planned) => {
  expect(restoreOutcome({ items, problems }, plan(['a'], planned))).toBe(outcome)
})

test('left out is what a problem says cannot be found, each once, and never what is restored', () => {
  const problems = [
    problem({ item: 'b' }),
    problem({ item: 'b' }),
    problem({ item: 'a' }),
    problem({ item: 'c', code: 'CONFLICT' }),
    problem({}),
  ]
  expect(itemsLeftOut(plan(['a'], problems))).toEqual(['b'])
})
