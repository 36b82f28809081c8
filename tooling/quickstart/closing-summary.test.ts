import { expect, test } from 'vitest'
import { closingSummary } from './closing-summary.ts'

test('where restic is not installed its commands are shown, and how to get it', () => {
  const folder = { path: '/q s', configuration: '/q s/b.yaml', passwordFile: '/q s/password', offsite: '/q s/offsite' }
  const numbers = {
    rows: 1234,
    seconds: 20,
    backedUp: 1,
    restored: 2,
    stored: 5_000_000,
    sent: { first: 4_000_000, second: 40_000, log: 500 },
  }
  const text = closingSummary({ folder, ...numbers, restoredTo: '2026-01-02T03:04:05Z', snapshots: undefined, shown: (path) => path })
  expect(text).toContain(
    "  restic -r '/q s/offsite' --password-file '/q s/password' snapshots\n  (restic is not installed here: Debian and Ubuntu have it as restic, macOS as brew install restic)\n  restic -r",
  )
  expect(text).toContain('as it was before 2026-01-02T03:04:05Z: 1,234 rows.')
})
