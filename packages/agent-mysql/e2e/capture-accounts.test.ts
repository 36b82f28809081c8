import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ReadFile } from '../src/dump/read-file-queue.ts'
import { createTableReader, type TableReader } from '../src/dump/table-reader.ts'
import { agentFor, dump, resolvedSettings, until } from './capture-fixture.ts'

let server: ThrowawayMariadb

beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client(`CREATE DATABASE moving; USE moving; CREATE TABLE victim (id INT PRIMARY KEY, t CHAR(200)); INSERT INTO victim SELECT seq, 'x' FROM seq_1_to_2000; ANALYZE TABLE victim;
    CREATE TABLE other (id INT PRIMARY KEY); INSERT INTO other VALUES (1); CREATE DATABASE calm; CREATE TABLE calm.t (id INT PRIMARY KEY); INSERT INTO calm.t VALUES (1);
    CREATE USER plain@'127.0.0.1' IDENTIFIED BY 'p'; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, RELOAD, PROCESS, BINLOG MONITOR ON *.* TO plain@'127.0.0.1';
    CREATE USER able@'127.0.0.1' IDENTIFIED BY 'p'; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, RELOAD, PROCESS, BINLOG MONITOR, BINLOG ADMIN ON *.* TO able@'127.0.0.1';
    CREATE USER few@'127.0.0.1' IDENTIFIED BY 'p'; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES, PROCESS, BINLOG MONITOR ON *.* TO few@'127.0.0.1';`)
})
afterAll(async () => {
  await server?.stop()
})

/** Whether an ALTER of a table that one reader has read completes while the copy goes on. */
async function alterDuringCopy(user: string): Promise<'completes' | 'waits'> {
  let outcome: 'completes' | 'waits' | undefined
  await using dumped = await dump(agentFor(server, { user, password: 'p', users: false, threads: 1, chunkBytes: 8192 }), {
    items: ['moving'],
    during: (stage) => {
      stage.onFile = async (file) => {
        // The biggest table comes first: of the other one's file it is known that the first one is read.
        if (!file.name.includes('other.00000.dat')) return
        outcome = await server.client('SET lock_wait_timeout = 2; ALTER TABLE moving.victim FORCE').then(
          () => 'completes' as const,
          (error: unknown) => {
            expect(String(error)).toContain('1205')
            return 'waits' as const
          },
        )
      }
    },
  })
  expect(dumped.stage.failed).toEqual(new Map())
  return outcome ?? 'waits'
}

test('an ALTER of a table that was read goes on during the copy when the account has BINLOG ADMIN, and waits when it has not', async () => {
  expect(await alterDuringCopy('able')).toBe('completes')
  expect(await alterDuringCopy('plain')).toBe('waits')
})

test('without BINLOG ADMIN, a reader that comes to a table behind a waiting ALTER gives up after tableWaitSeconds', async () => {
  const open = async () => {
    const settings = resolvedSettings(server, { user: 'plain', password: 'p' })
    const reader = await createTableReader({
      connection: settings,
      tableWaitSeconds: 1,
      idleSeconds: 600,
      chunkBytes: 8192,
      compressionLevel: 1,
    })
    await reader.beginSnapshot()
    return reader
  }
  const read = async (reader: TableReader): Promise<number> => {
    const task = { name: 'moving.victim', sql: 'SELECT id, t FROM moving.victim', columns: 2, proof: [] }
    const consume = async (file: ReadFile) => {
      for await (const _ of file.content);
    }
    return (await reader.read(task, { onFile: consume })).rows
  }
  let altering: Promise<string>
  {
    await using first = await open()
    await using second = await open()
    expect(await read(first)).toBe(2000)
    altering = server.client('SET lock_wait_timeout = 60; ALTER TABLE moving.victim FORCE')
    await until('an ALTER that waits', async () => {
      const waiting = await server.client(
        "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock' AND info LIKE 'ALTER%'",
      )
      return waiting.trim() === '1' ? true : undefined
    })
    await expect(read(second)).rejects.toMatchObject({ code: 'TIMED_OUT' })
    // The one that holds the lock goes on, and the one that gave up reads other tables.
    expect(await read(first)).toBe(2000)
    expect(await second.rows('SELECT id FROM moving.other')).toHaveLength(1)
  }
  await altering
})

test('without RELOAD the lock is LOCK TABLES, which check says with the statement that grants it', async () => {
  await using agent = agentFor(server, { user: 'few', password: 'p', users: false })
  const problems = await agent.check({ job: 'j', kind: 'full', chain: [] })
  const lacking = problems.find((problem) => problem.message.includes('lacks RELOAD'))
  expect(lacking).toMatchObject({ severity: 'warning', code: 'ACCESS_DENIED' })
  expect(lacking?.hint).toContain("GRANT RELOAD ON *.* TO 'few'@'127.0.0.1'")
  expect(problems.filter((problem) => problem.severity === 'error')).toEqual([])
  await using dumped = await dump(agent, { items: ['calm', 'moving'] })
  expect(dumped.facts.facts.lock).toBe('lockTables')
  expect(dumped.stage.failed).toEqual(new Map())
  expect(dumped.stage.sealed.map((facts) => facts.item).sort()).toEqual(['calm', 'moving'])
})
