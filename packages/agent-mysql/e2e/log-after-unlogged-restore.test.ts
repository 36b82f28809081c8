import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { BackupChain, replayTo } from './replay-fixture.ts'

let source: ThrowawayMariadb
let target: ThrowawayMariadb

beforeAll(async () => {
  ;[source, target] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
})
afterAll(async () => {
  await Promise.all([source?.stop(), target?.stop()])
})

it('becomes a full after a restore into the server that its binlogs do not hold, and logs go on from that', async () => {
  await source.client('CREATE DATABASE shop; CREATE TABLE shop.line (id INT PRIMARY KEY); INSERT INTO shop.line VALUES (1), (2)')
  await using chain = new BackupChain(source)
  const full = await chain.full({ users: false })
  await source.client('DELETE FROM shop.line')
  const before = await source.client('SELECT @@GLOBAL.gtid_binlog_pos')
  const report = await replayTo(chain, source, { options: { users: 'none', binlog: false } })
  expect(report.items.map(({ item }) => item)).toEqual(['shop'])
  expect(await source.client('SELECT @@GLOBAL.gtid_binlog_pos')).toBe(before)
  await source.client('INSERT INTO shop.line VALUES (3)')

  const next = await chain.log()
  expect(next).toMatchObject({ kind: 'full', position: { chain: `${full.position?.chain}~2` } })
  expect(next.items.map(({ item }) => item)).toEqual(['shop'])
  await source.client('INSERT INTO shop.line VALUES (4)')
  expect(await chain.log()).toMatchObject({ kind: 'log', from: next.position })
  chain.folders.shift()
  await replayTo(chain, target, { options: { users: 'none' } })
  expect(await target.client('SELECT id FROM shop.line')).toBe('1\n2\n3\n4\n')
})
