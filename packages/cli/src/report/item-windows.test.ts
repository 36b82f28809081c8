import { type Backup, type RestoreWindow, restoreWindows } from '@backup-planet/core'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { restorableItems } from './item-windows.ts'

interface Sketch {
  readonly kind: 'full' | 'log'
  readonly items: readonly { readonly item: string; readonly failed: boolean }[]
}

const sketches = fc.array(
  fc.record<Sketch>({
    kind: fc.constantFrom('full', 'log'),
    items: fc.uniqueArray(fc.record({ item: fc.constantFrom('a', 'b', 'c', 'd'), failed: fc.boolean() }), { selector: ({ item }) => item }),
  }),
  { maxLength: 8 },
)

test('each item is in one group, whose windows are those that the planner has for it alone', () => {
  fc.assert(
    fc.property(sketches, (sketched) => {
      const history = { listings: [{ repository: 'local', backups: sketched.map(backupOf) }] }
      const { groups, leftOut } = restorableItems(history)
      const items = groups.flatMap((group) => group.items)
      const asked = new Set(sketched.flatMap(({ kind, items: held }) => (kind === 'log' ? [] : held.map(({ item }) => item))))
      expect(items.toSorted()).toEqual([...asked].sort())
      expect(leftOut).toBe(0)
      for (const group of groups) {
        for (const item of group.items) expect(timesOf(group.windows)).toEqual(timesOf(restoreWindows({ ...history, items: [item] })))
      }
    }),
    { numRuns: 300 },
  )
})

test('so many that each has moments of its own are counted', () => {
  const backups = Array.from({ length: 60 }, (_, at) => backupOf({ kind: 'full', items: [{ item: `item${at}`, failed: false }] }, at))
  const { groups, leftOut } = restorableItems({ listings: [{ repository: 'local', backups }] })
  expect(groups.length + leftOut).toBe(60)
  expect(leftOut).toBeGreaterThan(0)
})

function timesOf(windows: readonly RestoreWindow[]) {
  return windows.map(({ kind, times }) => ({ kind, times }))
}

function backupOf({ kind, items }: Sketch, at: number): Backup {
  const time = new Date(Date.UTC(2026, 10, 22, at)).toISOString()
  const place = (number: number) => ({ chain: 'c', value: { number: String(number) } })
  return {
    format: 'backup-planet/manifest/1',
    id: `backup${String(at).padStart(2, '0')}`,
    job: 'shop',
    application: 'test',
    agent: { version: '1' },
    source: { id: 's', name: 's', version: '1' },
    kind,
    status: items.some(({ failed }) => failed) ? 'partial' : 'complete',
    beganAt: time,
    consistentAt: time,
    endedAt: time,
    ...(kind === 'log' ? { from: place(at - 1) } : {}),
    position: place(at),
    items: items.map(({ item, failed }) => ({
      item,
      facts: {},
      ...(failed ? { failure: { code: 'APPLICATION', message: 'it broke' } } : {}),
    })),
    facts: {},
    storage: {},
  }
}
