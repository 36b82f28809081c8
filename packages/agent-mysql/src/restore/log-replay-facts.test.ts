import type { Backup } from '@backup-planet/core'
import { expect, it } from 'vitest'
import { replayFacts } from './log-replay-facts.ts'

const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562'
const common = { tools: undefined, schemas: undefined, leftOut: undefined, accounts: false, flavour: 'mysql' } as const

it('knows what the full backup holds as executed where the replay begins, though the log begins before it', () => {
  const log = {
    file: 'b.000002',
    binlog: 'b.000002',
    from: 0,
    to: 900,
    bytes: 900,
    serverVersion: '8.4.0',
    transactions: 1,
    begin: 500,
    end: 900,
  }
  const backups = [
    { id: 'full', position: { chain: 's', value: { file: 'b.000002', offset: '500', gtid: `${uuid}:1-50` } } },
    { id: 'one', from: { chain: 's', value: { file: 'b.000002', offset: '4', gtid: `${uuid}:1-40` } } },
    { id: 'two', from: { chain: 's', value: { file: 'b.000003', offset: '4', gtid: `${uuid}:1-60` } } },
  ] as unknown as Backup[]
  const first = replayFacts({
    ...common,
    chain: { files: [{ ...log, backup: 'one' }], begin: undefined, problems: [] },
    backups: backups.slice(0, 2),
  })
  expect(first.replay).toMatchObject({ gtid: `${uuid}:1-50`, lastBackup: 0 })
  const files = [
    { ...log, backup: 'one' },
    { ...log, backup: 'two', file: 'b.000003', binlog: 'b.000003' },
  ]
  expect(replayFacts({ ...common, chain: { files, begin: undefined, problems: [] }, backups }).replay).toMatchObject({
    gtid: `${uuid}:1-60`,
  })
})

it('keeps how the source compared names', () => {
  const backups = [{ id: 'full', facts: { lowerCaseTableNames: 1 } }] as unknown as Backup[]
  const chain = { files: [], begin: undefined, problems: [] }
  expect(replayFacts({ ...common, chain, backups }).replay).toMatchObject({ lowerCaseTableNames: 1 })
  expect(replayFacts({ ...common, chain, backups: [] }).replay).not.toHaveProperty('lowerCaseTableNames')
})
