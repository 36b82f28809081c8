import { expect, test } from 'vitest'
import type { Backup } from '../contracts/index.ts'
import { at, minute, numbered, sketched, withoutItemB } from './__fixtures__/numbered-positions.ts'
import { historyOf } from './chain-history.ts'
import { findGaps } from './find-gaps.ts'

const full = sketched({ id: 'full', kind: 'full', consistentAt: minute(0), position: at('c', 10) })
const log1 = sketched({ id: 'log1', kind: 'log', consistentAt: minute(10), from: at('c', 10), position: at('c', 20) })
const log2 = sketched({ id: 'log2', kind: 'log', consistentAt: minute(20), from: at('c', 20), position: at('c', 30) })
const log3 = sketched({ id: 'log3', kind: 'log', consistentAt: minute(30), from: at('c', 30), position: at('c', 40) })

const gaps = (...backups: readonly Backup[]) => findGaps(historyOf(backups, numbered))

test('there is none where every log begins where one ends, nor before a full after the last log', () => {
  expect(gaps(full, log1, log2, log3)).toEqual([])
  expect(gaps(full, log1, sketched({ id: 'full2', kind: 'full', consistentAt: minute(15), position: at('c', 25) }))).toEqual([])
})

test('there is none where older backups were removed and logs reach back further than the full that is left', () => {
  expect(gaps(log2, sketched({ id: 'full2', kind: 'full', consistentAt: minute(15), position: at('c', 25) }))).toEqual([])
})

test('a log between two others is missing', () => {
  expect(gaps(full, log1, log3)).toEqual([
    {
      kind: 'missing',
      chain: 'c',
      before: { position: at('c', 20), backup: 'log1' },
      after: { position: at('c', 30), backup: 'log3' },
      message: 'Backup log3 begins at number 30, and what is there before it, log1, ends at number 20.',
    },
  ])
  expect(findGaps(historyOf([full, log1, log3]))).toEqual([
    {
      kind: 'missing',
      chain: 'c',
      after: { position: at('c', 30), backup: 'log3' },
      message: 'Backup log3 begins at number 30, and no backup that is there leads up to it.',
    },
  ])
  expect(gaps(full, log1, withoutItemB(log2), log3)).toMatchObject([{ kind: 'missing', after: { backup: 'log3' } }])
})

test('a log is missing before others, also where a newer full lies in them', () => {
  const inside = sketched({ id: 'inside', kind: 'full', consistentAt: minute(25), position: at('c', 35) })
  expect(gaps(full, log1, log3, inside)).toMatchObject([{ kind: 'missing', before: { backup: 'log1' }, after: { backup: 'log3' } }])
})

test('the full is missing', () => {
  expect(gaps(log1, log2)).toMatchObject([{ kind: 'missing', after: { position: at('c', 10), backup: 'log1' } }])
  const diff = sketched({ id: 'diff', kind: 'differential', consistentAt: minute(5), from: at('c', 5), position: at('c', 12) })
  expect(gaps(full, diff)).toMatchObject([{ kind: 'missing', after: { position: at('c', 5), backup: 'diff' } }])
})

test('logs that were never ours, since a full began anew behind them', () => {
  const anew = sketched({ id: 'anew', kind: 'full', consistentAt: minute(40), position: at('c', 50) })
  const after = sketched({ id: 'after', kind: 'log', consistentAt: minute(50), from: at('c', 50), position: at('c', 60) })
  expect(gaps(full, log1, anew, after)).toMatchObject([
    { kind: 'foreign', before: { position: at('c', 20), backup: 'log1' }, after: { position: at('c', 50), backup: 'anew' } },
  ])
  expect(gaps(full, anew, after)).toEqual([])
})

test('what one repository lacks and another has is delayed, there only', () => {
  const listings = [
    { repository: 'near', backups: [full, log1, log2, log3] },
    { repository: 'far', backups: [full, log1, log3] },
  ]
  expect(findGaps({ listings, order: numbered })).toEqual([
    {
      kind: 'delayed',
      chain: 'c',
      repository: 'far',
      before: { position: at('c', 20), backup: 'log1' },
      after: { position: at('c', 30), backup: 'log3' },
      message:
        'In the repository far: backup log3 begins at number 30, and what is there before it, log1, ends at number 20. Another repository has it: copy that from there.',
    },
  ])
})

test('what one repository lacks beyond a gap of all is delayed as well', () => {
  const listings = [
    { repository: 'near', backups: [full, log1, log3] },
    { repository: 'far', backups: [full, log3] },
  ]
  expect(findGaps({ listings, order: numbered })).toMatchObject([
    { kind: 'missing', before: { backup: 'log1' }, after: { backup: 'log3' } },
    {
      kind: 'delayed',
      repository: 'far',
      before: { backup: 'full' },
      message: expect.stringContaining('Another repository has some of it'),
    },
  ])
})

test('histories that parted are told with both sides', () => {
  const branch = sketched({ id: 'branch', kind: 'log', consistentAt: minute(30), from: at('c', 20), position: at('d', 28) })
  expect(gaps(full, log1, log2, branch)).toEqual([
    {
      kind: 'forked',
      chain: 'd',
      before: { position: at('c', 20), backup: 'log2' },
      after: { position: at('c', 20), backup: 'branch' },
      message: 'The history parted: c goes on with backup log2 at number 20, d with backup branch at number 20.',
    },
  ])
  expect(gaps(full, log1, branch)).toEqual([])
  const anew = sketched({ id: 'anew', kind: 'full', consistentAt: minute(40), position: at('c~2', 15) })
  expect(gaps(full, log1, anew)).toMatchObject([
    { kind: 'forked', chain: 'c~2', before: { position: at('c', 20), backup: 'log1' }, after: { position: at('c~2', 15), backup: 'anew' } },
  ])
})
