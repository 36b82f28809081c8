import { expect, test } from 'vitest'
import { sampleBackup } from './__fixtures__/sample-report.ts'
import type { DrillSummary } from './report-data.ts'
import { type JobFindings, problemsOf } from './report-problems.ts'

const fine: JobFindings = { job: 'shop', restorable: true, gaps: [], backups: [sampleBackup()], drills: [], unread: [] }
const failed = [{ item: 'orders', code: 'APPLICATION', message: 'it is marked as crashed' }]
const drill: DrillSummary = {
  id: 'd',
  beganAt: '2026-11-22T11:00:00.000Z',
  seconds: 3,
  outcome: 'passed',
  signature: 'unchecked',
  keyId: 'k',
  items: 1,
  checks: { passed: 1, failed: 0 },
  bytes: 1,
  repositories: ['local'],
}

test('a job in order has none', () => {
  expect(problemsOf({ ...fine, drills: [drill] })).toEqual([])
})

test('a job without backups, and one whose backups restore nothing', () => {
  expect(problemsOf({ ...fine, restorable: false, backups: [] })).toMatchObject([
    { severity: 'error', message: 'there is no backup of job shop' },
  ])
  expect(problemsOf({ ...fine, restorable: false })).toMatchObject([{ severity: 'error', message: 'nothing of job shop can be restored' }])
})

test('an item that failed is told until a later backup of the kind has it', () => {
  const partial = sampleBackup({ id: 'partial', status: 'partial', failed })
  const newer = sampleBackup({ id: 'newer' })
  const limited = sampleBackup({ id: 'limited', limitedTo: ['notes'] })
  expect(problemsOf({ ...fine, backups: [limited, sampleBackup({ kind: 'log' }), partial] })).toMatchObject([
    { severity: 'error', code: 'APPLICATION', item: 'orders', message: 'not in the newest full backup partial: it is marked as crashed' },
  ])
  expect(problemsOf({ ...fine, backups: [newer, partial] })).toEqual([])
})

test('a drill that failed is told until a later one passes; a record that does not verify always', () => {
  const broken: DrillSummary = { ...drill, outcome: 'failed', failure: { code: 'CORRUPTED', message: 'a byte is wrong', hint: 'Look.' } }
  expect(problemsOf({ ...fine, drills: [broken, drill] })).toMatchObject([
    { code: 'CORRUPTED', message: 'the newest drill d failed: a byte is wrong' },
  ])
  expect(problemsOf({ ...fine, drills: [drill, broken] })).toEqual([])
  expect(problemsOf({ ...fine, drills: [drill, { ...drill, signature: 'refused' }] })).toMatchObject([{ code: 'WRONG_CREDENTIALS' }])
})

test('errors stand before warnings', () => {
  const gap = { kind: 'missing', chain: 'c', after: { position: { chain: 'c', value: {} }, backup: 'b' }, message: 'A gap.' } as const
  const unread = { severity: 'error', code: 'UNREACHABLE', message: 'nobody answers', hint: 'Wait.' } as const
  const warning = { severity: 'warning', code: 'CORRUPTED', message: 'a record is damaged', hint: 'Look.' } as const
  const codes = problemsOf({ ...fine, gaps: [gap], unread: [warning, unread] }).map(({ code }) => code)
  expect(codes).toEqual(['UNREACHABLE', 'CORRUPTED', 'GAP_MISSING'])
})
