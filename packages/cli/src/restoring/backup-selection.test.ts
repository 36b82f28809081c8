import type { Backup } from '@backup-planet/core'
import { describe, expect, test } from 'vitest'
import { assertReadable, backupNamed } from './backup-selection.ts'
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
const chosen = (wanted: string) => backupNamed(wanted, { job: 'shop', unreadable: [] }, backups).id

describe('what cannot be chosen is refused with what can', () => {
  test.each([
    ['2026', '"2026" fits 3 backups of job shop'],
    ['aa', 'job shop has no backup "aa"'],
    ['', 'job shop has no backup ""'],
  ])('%j', (wanted, message) => {
    expect(() => chosen(wanted)).toThrow(message)
  })

  test('no backup at all', () => {
    expect(() => assertReadable([], { job: 'shop', unreadable: [] })).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND', hint: expect.stringContaining('backup-planet run shop') }),
    )
  })
})

test('a backup is named by its whole identity, or by a beginning or end that fits only one, however many repositories have it', () => {
  expect(chosen('20260701T020000Z-aaaaaa')).toBe('20260701T020000Z-aaaaaa')
  expect(chosen('cccccc')).toBe('20260702T020000Z-cccccc')
  expect(chosen('20260701')).toBe('20260701T020000Z-aaaaaa')
  expect(backupNamed('cccccc', { job: 'shop', unreadable: [] }, [...backups, ...backups]).id).toBe('20260702T020000Z-cccccc')
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
