import type { RestorePlan } from '@backup-planet/core'
import { expect, test } from 'vitest'
import { restorePlanText } from './plan-text.ts'

test('a plan has one row for an item that comes from many logs', () => {
  const logs = Array.from({ length: 500 }, (_, index) => `log${index}`)
  const item = (name: string, backup: string, overwrites: readonly string[] = []) => ({ item: name, to: name, backup, overwrites })
  const plan = {
    contract: 'restore-plan/1',
    id: 'plan',
    application: 'test',
    backups: ['full', ...logs],
    target: { id: 't', name: 'target', fingerprint: 'f' },
    items: [item('shop', 'full', ['shop']), item('users', 'full'), ...logs.map((log) => item('binlog', log))],
    steps: [],
    chain: {
      backups: ['full', ...logs].map((id) => ({ id, kind: id === 'full' ? 'full' : 'log', consistentAt: '', repository: 'r', bytes: 1 })),
      bytes: 501,
      spaceBytes: 2,
      warnings: [],
    },
    problems: [],
    request: { rename: {}, overwrite: true, options: {} },
  } satisfies RestorePlan
  expect(restorePlanText(plan).split('\n').slice(2, -1)).toEqual([
    'ITEM    TO      FROM BACKUP                  REPLACES',
    'shop    shop    full                         shop',
    'users   users   full                         nothing',
    'binlog  binlog  log0 … log499 (500 backups)  nothing',
  ])
})
