import type { Backup } from '@backup-planet/core'
import { describe, expect, test } from 'vitest'
import { chooseBackup, parseTime } from './backup-selection.ts'
import { parseRenames } from './rename-option.ts'

const backup = (id: string, consistentAt: string): Backup => ({
  format: 'backup-planet/manifest/1',
  id,
  job: 'shop',
  application: 'memory',
  agent: { version: '1' },
  source: { id: 's', name: 's', version: '1' },
  kind: 'full',
  status: 'complete',
  beganAt: consistentAt,
  consistentAt,
  endedAt: consistentAt,
  items: [],
  facts: {},
  storage: {},
})
const backups = [
  backup('20260701T020000Z-aaaaaa', '2026-07-01T02:00:00.000Z'),
  backup('20260703T020000Z-bbbbbb', '2026-07-03T02:00:00.000Z'),
  backup('20260702T020000Z-cccccc', '2026-07-02T02:00:00.000Z'),
]
const chosen = (wish: Parameters<typeof chooseBackup>[2]) => chooseBackup(backups, 'shop', wish).id

describe('what cannot be chosen is refused with what can', () => {
  test.each([
    [{ backup: 'x', at: 'y' }, '--backup and --at exclude each other'],
    [{ backup: '2026' }, '"2026" fits 3 backups of job shop'],
    [{ backup: 'aa' }, 'job shop has no backup "aa"'],
    [{ backup: '' }, 'job shop has no backup ""'],
    [{ at: '2026-06-30T00:00:00Z' }, 'no backup of job shop is as old as 2026-06-30T00:00:00Z; the oldest is of 2026-07-01T02:00:00.000Z'],
    [{ at: 'yesterday' }, '"yesterday" is no time'],
    [{ at: '2026-02-30' }, '"2026-02-30" is no time'],
    [{ at: '2026-13-01T00:00Z' }, '"2026-13-01T00:00Z" is no time'],
    [{ at: '1' }, '"1" is no time'],
  ])('%j', (wish, message) => {
    expect(() => chosen(wish)).toThrow(message)
  })

  test('no backup at all', () => {
    expect(() => chooseBackup([], 'shop', {})).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND', hint: expect.stringContaining('backup-planet run shop') }),
    )
  })
})

test('the newest that holds what is wanted: one limited to some items is not meant by whoever wants all', () => {
  const [oldest] = backups
  if (oldest === undefined) throw new TypeError('no backup')
  const item = (name: string, failed = false) => ({
    item: name,
    facts: {},
    ...(failed ? { failure: { code: 'APPLICATION' as const, message: 'x' } } : {}),
  })
  const all = [
    { ...oldest, id: 'whole', consistentAt: '2026-08-01T00:00:00Z', items: [item('orders'), item('stock')] },
    {
      ...oldest,
      id: 'half',
      consistentAt: '2026-08-02T00:00:00Z',
      status: 'partial' as const,
      items: [item('orders'), item('stock', true)],
    },
    { ...oldest, id: 'some', consistentAt: '2026-08-03T00:00:00Z', limitedTo: ['orders'], items: [item('orders')] },
  ]
  expect(chooseBackup(all, 'shop', {}).id).toBe('half')
  expect(chooseBackup(all, 'shop', { item: ['orders'] }).id).toBe('some')
  expect(chooseBackup(all, 'shop', { item: ['orders', 'stock'] }).id).toBe('whole')
  expect(chooseBackup(all, 'shop', { item: ['absent'] }).id).toBe('some')
})

test('the newest by the time it is of, the newest before a time, the exact one, and the only one that fits', () => {
  expect(chosen({})).toBe('20260703T020000Z-bbbbbb')
  expect(chosen({ at: '2026-07-02T02:00:00Z' })).toBe('20260702T020000Z-cccccc')
  expect(chosen({ at: '2026-07-02 12:00+02:00' })).toBe('20260702T020000Z-cccccc')
  expect(chosen({ backup: '20260701T020000Z-aaaaaa' })).toBe('20260701T020000Z-aaaaaa')
  expect(chosen({ backup: 'cccccc' })).toBe('20260702T020000Z-cccccc')
  expect(chosen({ backup: '20260701' })).toBe('20260701T020000Z-aaaaaa')
})

test('a time to the second, as the list shows it, includes the whole second', () => {
  const half = backup('half', '2026-07-05T02:00:00.500Z')
  const chosenOf = (at: string) => chooseBackup([...backups, half], 'shop', { at }).id
  expect(chosenOf('2026-07-05T02:00:00Z')).toBe('half')
  expect(chosenOf('2026-07-05 02:00:00')).toBe('half')
  expect(chosenOf('2026-07-05T02:00:00.499Z')).toBe('20260703T020000Z-bbbbbb')
  expect(chosenOf('2026-07-05T02:00Z')).toBe('20260703T020000Z-bbbbbb')
})

test('a date includes its whole day, in local time', () => {
  expect(parseTime('2026-07-02')).toBe(new Date(2026, 6, 2, 23, 59, 59, 999).getTime())
  expect(parseTime('2026-07-02T10:00')).toBe(new Date(2026, 6, 2, 10).getTime())
})

test.each([['shop'], ['=new'], ['shop=']])('--rename %s is refused', (text) => {
  expect(() => parseRenames([text])).toThrow('is not OLD=NEW')
})

test('renames that collide are refused', () => {
  expect(() => parseRenames(['a=b', 'a=c'])).toThrow('--rename names "a" twice')
  expect(() => parseRenames(['a=c', 'b=c'])).toThrow('--rename would restore two items as "c"')
  expect(parseRenames(['a=b', 'c=d=e'])).toEqual({ a: 'b', c: 'd=e' })
  expect(Object.keys(parseRenames(['__proto__=x']))).toEqual(['__proto__'])
})
