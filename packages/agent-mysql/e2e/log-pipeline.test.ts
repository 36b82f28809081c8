import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Backup,
  backUp,
  createDirectoryStaging,
  followLogs,
  historyOf,
  type Repository,
  restoreWindows,
  type Staging,
} from '@backup-planet/core'
import { createMemoryRepository } from '@backup-planet/core/testing'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { comparePositions } from '../src/mysql-position.ts'
import { agentFor, until } from './capture-fixture.ts'

let server: ThrowawayMariadb
let directory: string
let staging: Staging
beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client('CREATE DATABASE shop; CREATE TABLE shop.line (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(200))')
  directory = await mkdtemp(join(tmpdir(), 'bp-log-pipeline-'))
  staging = createDirectoryStaging({ directory })
})
afterAll(async () => {
  await server?.stop()
  await rm(directory, { recursive: true, force: true })
})

const write = () => server.client("INSERT INTO shop.line (note) VALUES ('written')")

async function listed(repository: Repository): Promise<readonly Backup[]> {
  const backups: Backup[] = []
  for await (const backup of repository.list({ job: 'shop' })) backups.push(backup)
  return backups.sort((a, b) => (a.id < b.id ? -1 : 1))
}

it('goes through staging and repository: a full where a log was asked for, logs, and one in which nothing happened', async () => {
  const repository = createMemoryRepository()
  const agent = agentFor(server, { threads: 1 })
  const run = async (kind: 'full' | 'log') => await backUp({ agent, repository, staging, request: { job: 'shop', kind } })
  const first = await run('log')
  expect(first).toMatchObject({ backup: { kind: 'full' }, reason: expect.stringContaining('no full backup yet'), confirmed: true })
  await write()
  expect(await run('log')).toMatchObject({ backup: { kind: 'log', status: 'complete' }, confirmed: true, problems: [] })
  const empty = await run('log')
  expect(empty).toMatchObject({
    backup: { kind: 'log', status: 'complete', items: [{ item: 'binlog', facts: { binlogs: [] } }] },
    confirmed: true,
  })
  await write()
  const last = await run('log')
  expect(last.backup.from).toEqual(empty.backup.position)
  const windows = restoreWindows(historyOf(await listed(repository), comparePositions))
  expect(windows).toMatchObject([{ from: { at: first.backup.consistentAt }, to: { at: last.backup.consistentAt } }])
})

it('is followed from what is due until it is aborted, with everything that was written', async () => {
  const repository = createMemoryRepository()
  const agent = agentFor(server, { threads: 1 })
  const stop = new AbortController()
  const following = followLogs({ agent, repository, staging, job: 'shop', everySeconds: 0.2 }, { signal: stop.signal })
  await until('the full is there', async () => ((await listed(repository)).length > 0 ? true : undefined), 60_000)
  for (let index = 0; index < 5; index++) await write()
  const gtid = (await server.client('SELECT @@gtid_binlog_pos')).trim()
  await until('all is stored', async () => ((await listed(repository)).at(-1)?.position?.value.gtid === gtid ? true : undefined), 60_000)
  stop.abort()
  const report = await following
  const backups = await listed(repository)
  expect(report.stored).toBe(backups.length)
  expect(report.restorableUntil).toBe(backups.at(-1)?.consistentAt)
  const transactions = backups
    .filter(({ kind }) => kind === 'log')
    .reduce((sum, { items }) => sum + Number(items[0]?.facts.transactions), 0)
  expect(transactions).toBe(5)
  expect(restoreWindows(historyOf(backups, comparePositions))).toHaveLength(1)
})
