import type { RunEvent } from '@backup-planet/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type ProgressLook, progressBlock, progressSummary } from './progress-lines.ts'
import { advance, noProgress } from './progress-state.ts'

const look: ProgressLook = { columns: 80, unicode: true, color: false }
const mebibyte = 1024 ** 2

const events: readonly RunEvent[] = [
  { type: 'started', action: 'backup', job: 'shop' },
  { type: 'step', text: 'copy each table within the snapshot' },
  { type: 'item', phase: 'capture', item: 'orders', state: 'begun', bytesTotal: 100 * mebibyte },
  { type: 'item', phase: 'capture', item: 'customers', state: 'begun', bytesTotal: 300 * mebibyte },
  { type: 'bytes', phase: 'capture', bytes: 50 * mebibyte, expected: 400 * mebibyte, rate: 10 * mebibyte },
  { type: 'item', phase: 'capture', item: 'orders', state: 'ended' },
  { type: 'bytes', phase: 'store', bytes: 30 * mebibyte, rate: 6 * mebibyte },
]
const stateOf = (from: readonly RunEvent[]) => from.reduce(advance, noProgress)

test('nothing is shown before anything is known', () => {
  expect(progressBlock(noProgress, look)).toEqual([])
  expect(progressSummary(noProgress)).toBeUndefined()
})

test('a run under way, on a terminal', () => {
  expect(progressBlock(stateOf(events), look)).toMatchInlineSnapshot(`
    [
      "██░░░░░░░░░░  12%  captured 50 MiB of 400 MiB, 10 MiB/s  35s left  1/2 items",
      "  stored 30 MiB, 6.0 MiB/s",
      "  › copy each table within the snapshot",
      "  capturing customers",
    ]
  `)
})

test('the same without Unicode and in colour', () => {
  expect(progressBlock(stateOf(events), { ...look, unicode: false, color: true })).toMatchInlineSnapshot(`
    [
      "[36m[##..........]  12%  captured 50 MiB of 400 MiB, 10 MiB/s  35s left  1/2 items[39m",
      "  stored 30 MiB, 6.0 MiB/s",
      "  > copy each table within the snapshot",
      "  capturing customers",
    ]
  `)
})

test('the same in one line', () => {
  expect(progressSummary(stateOf(events))).toMatchInlineSnapshot(`"12%, captured 50 MiB, stored 30 MiB, 10 MiB/s, 35s left, 1/2 items"`)
})

test('a failed item and a stall are told; the stall ends with the next byte', () => {
  const stalled = stateOf([
    ...events,
    { type: 'item', phase: 'capture', item: 'customers', state: 'failed' },
    { type: 'stalled', seconds: 60 },
  ])
  expect(progressSummary(stalled)).toMatchInlineSnapshot(
    `"12%, captured 50 MiB, stored 30 MiB, 10 MiB/s, 35s left, 1/2 items, 1 failed, nothing has moved for 1m"`,
  )
  expect(progressSummary(advance(stalled, { type: 'bytes', phase: 'store', bytes: 31 * mebibyte, rate: 1 }))).not.toContain('moved')
})

test('a restore shows the bar of what is read, since nobody knows how much is written', () => {
  const restoring = stateOf([
    { type: 'item', phase: 'restore', item: 'orders', state: 'begun' },
    { type: 'bytes', phase: 'restore', bytes: 90 * mebibyte, rate: 9 * mebibyte },
    { type: 'bytes', phase: 'read', bytes: 10 * mebibyte, expected: 40 * mebibyte, rate: mebibyte },
  ])
  expect(progressBlock(restoring, look)).toEqual([
    '███░░░░░░░░░  25%  read 10 MiB of 40 MiB, 1.0 MiB/s  30s left',
    '  restored 90 MiB, 9.0 MiB/s',
    '  restoring orders',
  ])
})

test('many items are summed up', () => {
  const many = Array.from({ length: 7 }, (_, index): RunEvent => ({ type: 'item', phase: 'capture', item: `db${index}`, state: 'begun' }))
  expect(progressBlock(stateOf(many), look)).toMatchInlineSnapshot(`
    [
      "captured 0 B  0/7 items",
      "  capturing db0",
      "  capturing db1",
      "  capturing db2",
      "  capturing db3",
      "  and 3 more",
    ]
  `)
})

test('once everything is captured, the store leads, and nothing of the capture is taken for progress any more', () => {
  const captured = stateOf([
    ...events,
    { type: 'item', phase: 'store', item: 'customers', state: 'begun' },
    { type: 'item', phase: 'capture', item: 'customers', state: 'failed' },
    { type: 'captured', items: 1, failed: 1, bytes: 390 * mebibyte },
  ])
  expect(progressBlock(captured, look)).toEqual([
    'stored 30 MiB, 6.0 MiB/s  0/1 items',
    '  captured 390 MiB of 1 item and 1 failed',
    '  storing customers',
  ])
  expect(progressSummary(captured)).toBe('captured 390 MiB of 1 item and 1 failed, stored 30 MiB, 6.0 MiB/s, 0/1 items')
})

test('what an earlier run had left is not counted to this one', () => {
  const state = stateOf([
    { type: 'resuming', id: '1' },
    { type: 'bytes', phase: 'store', bytes: 30 * mebibyte, rate: 0 },
    { type: 'stored', id: '1', status: 'complete', resumed: true },
  ])
  expect(progressBlock(state, look)).toEqual([])
  expect(progressBlock(advance(state, { type: 'bytes', phase: 'store', bytes: 31 * mebibyte, rate: 0 }), look)).toEqual(['stored 1.0 MiB'])
})

const text = fc.string({
  unit: fc.oneof(fc.constantFrom('\n', '\u001b', '\u009b', '\u202e', '\t'), fc.string({ unit: 'binary', maxLength: 2 })),
})
const item = text
const phase = fc.constantFrom('capture', 'store', 'read', 'restore', 'verify' as const)
const anyEvent: fc.Arbitrary<RunEvent> = fc.oneof(
  fc.record({ type: fc.constant('step' as const), text }),
  fc.record({ type: fc.constant('item' as const), phase, item, state: fc.constantFrom('begun', 'ended', 'failed' as const) }),
  fc.record({ type: fc.constant('bytes' as const), phase, bytes: fc.maxSafeNat(), expected: fc.maxSafeNat(), rate: fc.maxSafeNat() }),
  fc.record({ type: fc.constant('stalled' as const), seconds: fc.nat() }),
  fc.record({ type: fc.constant('captured' as const), items: fc.nat(), failed: fc.nat(), bytes: fc.maxSafeNat() }),
)

test('no line is wider than the terminal or holds a control character, whatever happens', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 30 }), fc.integer({ min: 1, max: 200 }), fc.boolean(), (happened, columns, unicode) => {
      for (const line of progressBlock(stateOf(happened), { columns, unicode, color: false })) {
        expect([...line].length).toBeLessThanOrEqual(Math.max(1, columns - 1))
        expect(line).not.toMatch(/\p{Cc}/u)
      }
    }),
  )
})
