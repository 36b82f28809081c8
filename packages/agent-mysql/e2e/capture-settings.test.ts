import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Progress } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DumpObject } from '../src/dump-layout.ts'
import type { MysqlAgentSettings } from '../src/index.ts'
import { agentFor, type Dump, dump } from './capture-fixture.ts'

let server: ThrowawayMariadb

beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client(`CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1), (2);
    CREATE TABLE past (id INT PRIMARY KEY, x INT) WITH SYSTEM VERSIONING; INSERT INTO past VALUES (1, 1); UPDATE past SET x = 2;
    CREATE TABLE gone (id INT); CREATE VIEW works AS SELECT * FROM t; CREATE VIEW over_gone AS SELECT id FROM gone; CREATE VIEW over_view AS SELECT id FROM over_gone;
    CREATE SQL SECURITY INVOKER VIEW invoker_gone AS SELECT id FROM gone;
    CREATE USER left_us@localhost; CREATE DEFINER=left_us@localhost VIEW orphan AS SELECT id FROM t; DROP USER left_us@localhost;
    DROP TABLE gone;`)
})
afterAll(async () => {
  await server?.stop()
})

async function objects(dumped: Dump, item: string): Promise<readonly DumpObject[]> {
  const text = await readFile(join(dumped.stage.directory, item, 'objects.jsonl'), 'utf8')
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
}

const binlogs = async (): Promise<number> => (await server.client('SHOW BINARY LOGS')).trim().split('\n').length

async function rowsOf(dumped: Dump, table: string): Promise<number> {
  const text = await readFile(join(dumped.stage.directory, 'd', 'chunks.jsonl'), 'utf8')
  const lines = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
  return lines.find((line) => line.type === 'table-total' && line.table === table).rows
}

test.each<[string, (server: ThrowawayMariadb) => Partial<MysqlAgentSettings>, (dumped: Dump) => Promise<void> | void]>([
  [
    'socketPath is what is connected to, whatever the host',
    ({ socketPath }) => ({ socketPath, host: 'nowhere.invalid', port: 1 }),
    (dumped) => expect(dumped.facts.source.name).toContain(server.socketPath),
  ],
  [
    'locking: none is a snapshot without a lock',
    () => ({ locking: 'none' }),
    (dumped) => expect(dumped.facts.facts).toMatchObject({ lock: 'none', lockedMilliseconds: 0 }),
  ],
  [
    'history: false copies the present rows only',
    () => ({ history: false }),
    async (dumped) => expect(await rowsOf(dumped, 'past')).toBe(1),
  ],
  ['history is copied without it', () => ({}), async (dumped) => expect(await rowsOf(dumped, 'past')).toBe(2)],
  ['ssl: false connects', () => ({ ssl: false }), (dumped) => expect(dumped.stage.failed).toEqual(new Map())],
])('%s', async (_, settings, holds) => {
  await using dumped = await dump(agentFor(server, { users: false, ...settings(server) }), { items: ['d'] })
  expect(dumped.stage.failed).toEqual(new Map())
  await holds(dumped)
})

test('binlogRotate: false begins no binlog file, and true begins one', async () => {
  const before = await binlogs()
  await using kept = await dump(agentFor(server, { users: false, binlogRotate: false }), { items: ['d'] })
  expect(await binlogs()).toBe(before)
  expect(kept.facts.position).toBeDefined()
  await using rotated = await dump(agentFor(server, { users: false }), { items: ['d'] })
  expect(await binlogs()).toBe(before + 1)
  expect(rotated.facts.position).not.toEqual(kept.facts.position)
})

test('systemUsers decides whether root is captured', async () => {
  await server.client("CREATE USER app@'%' IDENTIFIED BY 'p'; CREATE USER IF NOT EXISTS root@localhost IDENTIFIED BY 'p'")
  const users = async (systemUsers: boolean): Promise<readonly string[]> => {
    await using dumped = await dump(agentFor(server, { systemUsers }))
    return (await objects(dumped, 'mysql')).flatMap((object) => (object.type === 'account' ? [`${object.user}@${object.host}`] : []))
  }
  const own = await users(false)
  expect(own).toContain('app@%')
  expect(own).not.toContain('root@localhost')
  expect(await users(true)).toEqual(expect.arrayContaining(['app@%', 'root@localhost']))
})

test('a view that nobody can read is warned of by name and reason, marked, and keeps its text', async () => {
  const agent = agentFor(server, { users: false })
  const told = (await agent.check({ job: 'j', kind: 'full', chain: [], items: ['d'] })).filter((problem) =>
    problem.message.includes('view '),
  )
  const expected = ['invoker_gone', 'orphan', 'over_gone', 'over_view'].map((view) => ({
    severity: 'warning',
    item: 'd',
    message: expect.stringMatching(
      new RegExp(`^view d.${view} does not work: ${view === 'orphan' ? 'its definer `left_us`@`localhost`' : '.*invalid|a table'}`),
    ),
  }))
  expect(told).toMatchObject(expected)
  const events: Progress[] = []
  await using dumped = await dump(agent, { items: ['d'] }, { onProgress: (event) => events.push(event) })
  expect(events.flatMap((event) => (event.type === 'problem' ? [event.problem] : []))).toEqual(told)
  const views = (await objects(dumped, 'd')).flatMap((object) => (object.type === 'view' ? [object] : []))
  expect(views.map(({ name, broken }) => [name, broken])).toEqual([
    ['invoker_gone', true],
    ['orphan', true],
    ['over_gone', true],
    ['over_view', true],
    ['works', undefined],
  ])
  expect(views.every(({ create }) => create.includes(' VIEW '))).toBe(true)
})

test('each step of the plan is told as it begins, in the words of the plan', async () => {
  const agent = agentFor(server, { users: false })
  const request = { job: 'test', kind: 'full', chain: [], items: ['d'] } as const
  const planned = (await agent.plan(request)).steps.map((step) => step.text)
  const told: string[] = []
  await using _ = await dump(agent, { items: ['d'] }, { onProgress: (event) => void (event.type === 'step' && told.push(event.text)) })
  const common = planned.filter((text) => told.includes(text))
  expect(told.filter((text) => planned.includes(text))).toEqual(common)
  expect(common).toHaveLength(6)
  expect(planned.find((text) => text.startsWith('copy the rows'))).toBe(
    'copy the rows of 2 tables in files of up to 64 MiB of text, the biggest first',
  )
})
