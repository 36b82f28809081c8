import path from 'node:path'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BackupError } from '../errors/backup-error.ts'
import { assertSafePath } from './safe-path.ts'

describe('assertSafePath', () => {
  test.each([
    '',
    '/',
    '/etc/passwd',
    '.',
    '..',
    '../x',
    'a/..',
    'a/../b',
    'a/./b',
    'a//b',
    'a/',
    'C:x',
    'c:/x',
    '\\\\server\\share',
    'a\\b',
    'a\0b',
    'a/\ud800',
    '\udc00\ud800',
    'x'.repeat(256),
    'é'.repeat(128),
    'x/'.repeat(2100).concat('x'),
  ])('refuses %j', (unsafe) => {
    expect(() => assertSafePath(unsafe, 'archive entry')).toThrow(BackupError)
    expect(() => assertSafePath(unsafe, 'archive entry')).toThrow(/^archive entry .* is refused: /)
  })

  test.each(['a', 'a/b.sql', '...', '.hidden', 'a..b', 'with space', 'ünï', '😀', 'x'.repeat(255)])('passes %j', (safe) => {
    expect(assertSafePath(safe, 'name')).toBe(safe)
  })

  test('says which name, cut where it is long', () => {
    expect(() => assertSafePath(`../${'x'.repeat(500)}`, 'name')).toThrow(/^name "..\/x{117}…" is refused: it contains the segment ".."$/)
  })

  test('whatever passes stays in its folder, on POSIX and on Windows', () => {
    const parts = fc.array(
      fc.oneof(fc.constantFrom('..', '.', '/', '\\', 'C:', '', 'a', '%2e', ' ', ':', '\0'), fc.string({ maxLength: 4 })),
      { maxLength: 8 },
    )
    fc.assert(
      fc.property(
        parts.map((list) => list.join('')),
        (candidate) => {
          try {
            assertSafePath(candidate, 'name')
          } catch {
            return
          }
          for (const [platform, base] of [
            [path.posix, '/base/folder'],
            [path.win32, 'D:\\base\\folder'],
          ] as const) {
            for (const resolved of [platform.resolve(base, candidate), platform.join(base, candidate)]) {
              expect(resolved.startsWith(base + platform.sep)).toBe(true)
            }
          }
        },
      ),
      { numRuns: 3000 },
    )
  })
})
