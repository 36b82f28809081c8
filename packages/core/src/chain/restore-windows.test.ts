import { expect, test } from 'vitest'
import type { Backup } from '../contracts/index.ts'
import { at, minute, numbered, sketched, withoutItemB } from './__fixtures__/numbered-positions.ts'
import { historyOf } from './chain-history.ts'
import { restoreWindows } from './restore-windows.ts'

const full = sketched({ id: 'full', kind: 'full', consistentAt: minute(0), position: at('c', 10) })
const log1 = sketched({ id: 'log1', kind: 'log', consistentAt: minute(10), from: at('c', 10), position: at('c', 20) })
const log2 = sketched({ id: 'log2', kind: 'log', consistentAt: minute(20), from: at('c', 20), position: at('c', 30) })
const full2 = sketched({ id: 'full2', kind: 'full', consistentAt: minute(25), position: at('c', 35) })
const log3 = sketched({ id: 'log3', kind: 'log', consistentAt: minute(30), from: at('c', 30), position: at('c', 40) })

const windows = (...backups: readonly Backup[]) => restoreWindows(historyOf(backups, numbered))
const point = ({ id, consistentAt, position }: Backup) => ({ at: consistentAt, position, backup: id })

test('a full and the logs that follow it are one window, whatever fulls lie in it', () => {
  const whole = [{ chain: 'c', kind: 'exact', from: point(full), to: point(log3), times: [{ from: minute(0), to: minute(30) }] }]
  expect(windows(full, log1, log2, full2, log3)).toEqual(whole)
  expect(windows(log3, full2, log2, full, log1)).toEqual(whole)
})

test('a gap parts it, and a full in a log begins anew there', () => {
  expect(windows(full, log1, full2, log3)).toEqual([
    { chain: 'c', kind: 'exact', from: point(full), to: point(log1), times: [{ from: minute(0), to: minute(10) }] },
    { chain: 'c', kind: 'exact', from: point(full2), to: point(log3), times: [{ from: minute(25), to: minute(30) }] },
  ])
})

test('fulls without logs are single moments, and logs without a full are nothing', () => {
  expect(windows(full, full2).map(({ kind, times }) => [kind, times])).toEqual([
    ['moment', [{ from: minute(0), to: minute(0) }]],
    ['moment', [{ from: minute(25), to: minute(25) }]],
  ])
  expect(windows(log1, log2)).toEqual([])
  const { position: _, ...alone } = full
  expect(windows(alone)).toEqual([
    {
      kind: 'moment',
      from: { at: minute(0), backup: 'full' },
      to: { at: minute(0), backup: 'full' },
      times: [{ from: minute(0), to: minute(0) }],
    },
  ])
})

test('without an order, backups that follow exactly are one window', () => {
  expect(restoreWindows(historyOf([full, log1, log2, log3]))).toMatchObject([
    { kind: 'exact', from: { backup: 'full' }, to: { backup: 'log3' }, times: [{ from: minute(0), to: minute(30) }] },
  ])
})

test('of two repositories, a backup in either counts', () => {
  const listings = [
    { repository: 'first', backups: [full, log2] },
    { repository: 'second', backups: [log1] },
  ]
  expect(restoreWindows({ listings, order: numbered })).toMatchObject([{ from: { backup: 'full' }, to: { backup: 'log2' } }])
})

test('a log in which nothing happened makes it longer', () => {
  const still = { ...log2, consistentAt: minute(20), position: at('c', 20) }
  expect(windows(full, log1, still)).toMatchObject([{ kind: 'exact', times: [{ from: minute(0), to: minute(20) }] }])
})

test('a clock that was set back leaves the times that it showed', () => {
  const back = {
    ...log2,
    consistentAt: minute(8),
    covers: [
      { from: minute(10), to: minute(12) },
      { from: minute(3), to: minute(8) },
    ],
  }
  expect(windows(full, log1, back)).toMatchObject([{ from: point(full), to: point(back), times: [{ from: minute(0), to: minute(12) }] }])
  expect(windows(full, log1, { ...log2, consistentAt: minute(-5) })).toMatchObject([
    {
      times: [
        { from: minute(-5), to: minute(-5) },
        { from: minute(0), to: minute(10) },
      ],
    },
  ])
  expect(windows(full, log1, withoutItemB({ ...log2, consistentAt: minute(-5) }))[1]).toMatchObject({
    items: ['a'],
    times: [{ from: minute(-5), to: minute(-5) }],
  })
  const forward = {
    ...log2,
    consistentAt: minute(60),
    covers: [
      { from: minute(10), to: minute(12) },
      { from: minute(50), to: minute(60) },
    ],
  }
  expect(windows(full, log1, forward)).toMatchObject([
    {
      times: [
        { from: minute(0), to: minute(12) },
        { from: minute(50), to: minute(60) },
      ],
    },
  ])
})

test('what a partial or limited backup adds is told with the items that come back', () => {
  expect(windows(full, log1, withoutItemB(log2))).toEqual([
    { chain: 'c', kind: 'exact', from: point(full), to: point(log1), times: [{ from: minute(0), to: minute(10) }] },
    { chain: 'c', kind: 'exact', from: point(log1), to: point(log2), times: [{ from: minute(10), to: minute(20) }], items: ['a'] },
  ])
  const limited = { ...full2, limitedTo: ['b'], items: full2.items.slice(1) }
  expect(windows(full, limited)).toMatchObject([{ from: point(full) }, { kind: 'moment', from: point(full2), items: ['b'] }])
  expect(restoreWindows({ ...historyOf([full, limited], numbered), items: ['a'] })).toMatchObject([{ from: point(full) }])
})

test('the newest history comes first', () => {
  const other = sketched({ id: 'other', kind: 'full', consistentAt: minute(50), position: at('d', 1) })
  expect(windows(full, other, log1).map(({ chain }) => chain)).toEqual(['d', 'c'])
})
