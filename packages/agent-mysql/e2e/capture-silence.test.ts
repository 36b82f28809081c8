import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSnapshot } from '../src/dump/snapshot.ts'
import { createTableReader } from '../src/dump/table-reader.ts'
import { connect } from '../src/mysql-connection.ts'
import { detectServer } from '../src/mysql-server.ts'
import { resolvedSettings, settingsFor, until } from './capture-fixture.ts'

let server: ThrowawayMariadb
const idle = { lockIdleSeconds: 3, threads: 2 } as const

beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client(`CREATE DATABASE held; USE held; CREATE TABLE t (id INT PRIMARY KEY, x INT); INSERT INTO t VALUES (1,1);
    CREATE TABLE loose (id INT) ENGINE=MyISAM;`)
})
afterAll(async () => {
  await server?.stop()
})

/** Resolves when the process says that it holds what it is to hold. */
async function holder(program: string, settings: object): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--conditions=@backup-planet/source', join(import.meta.dirname, program)], {
    env: { ...process.env, HOLDER_SETTINGS: JSON.stringify(settingsFor(server, { ...idle, ...settings })) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout ?? child, 'data')
  return child
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

async function sessions(): Promise<string> {
  return await server.client(
    "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user NOT IN ('system user', 'event_scheduler')",
  )
}

// A stopped process is what a paused machine and a cut network are to the server: a connection that stays and says nothing.
test.each(['stage', 'ftwrl', 'lockTables'] as const)(
  'a process that stands still while it holds %s lets writers go on',
  async (locking) => {
    const child = await holder('capture-holder-process.ts', { locking })
    try {
      child.kill('SIGSTOP')
      await server.client('SET lock_wait_timeout=15, innodb_lock_wait_timeout=15; UPDATE held.t SET x = x + 1')
    } finally {
      await end(child)
    }
  },
)

test.each([
  ['locks tables without snapshots', {}, 'INSERT INTO held.loose VALUES (1)'],
  ['keeps structure from changing', { ddlGuard: 'mdl' }, 'ALTER TABLE held.t COMMENT = "free"'],
] as const)('a process that stands still while it %s frees them', async (_, settings, statement) => {
  const child = await holder('capture-snapshot-process.ts', settings)
  try {
    child.kill('SIGSTOP')
    await server.client(`SET lock_wait_timeout=15; ${statement}`)
  } finally {
    await end(child)
  }
})

test('a snapshot that is only not used stays, well beyond the time of silence', async () => {
  const settings = resolvedSettings(server, { ...idle, ddlGuard: 'mdl' })
  await using connection = await connect(settings)
  const tables = [
    { schema: 'held', name: 't', transactional: true },
    { schema: 'held', name: 'loose', transactional: false },
  ]
  await using snapshot = await openSnapshot({ settings, server: await detectServer(connection), tables })
  const lost = await Promise.race([snapshot.lost, delay(2 * settings.lockIdleSeconds * 1000)])
  expect(lost).toBeUndefined()
  await expect(server.client('SET lock_wait_timeout=1; INSERT INTO held.loose VALUES (2)')).rejects.toThrow('1205')
  expect(await snapshot.readers[0]?.rows('SELECT COUNT(*) FROM held.t')).toHaveLength(1)
})

const reading = { tableWaitSeconds: 1, idleSeconds: 600, chunkBytes: 1_000_000, compressionLevel: 1 }

test('a reader that cannot connect leaves no thread', async () => {
  const connection = resolvedSettings(server, { password: 'wrong' })
  await expect(createTableReader({ connection, ...reading })).rejects.toMatchObject({ code: 'WRONG_CREDENTIALS' })
  expect(process.getActiveResourcesInfo()).not.toContain('MessagePort')
})

test('a reader that cannot read what the server sends is lost, so that nothing else is read without its snapshot', async () => {
  await until('the end of other sessions', async () => ((await sessions()).trim() === '0' ? true : undefined))
  const reader = await createTableReader({ connection: resolvedSettings(server), ...reading })
  try {
    await reader.beginSnapshot()
    // More columns than come: the row ends where another field is expected.
    const task = { name: 'held.t', sql: 'SELECT id FROM held.t', columns: 3, proof: [] }
    await expect(reader.read(task, { onFile: async () => undefined })).rejects.toThrow('held.t')
    expect(await reader.lost).toMatchObject({ code: 'UNREACHABLE' })
    await expect(reader.rows('SELECT 1')).rejects.toMatchObject({ code: 'UNREACHABLE' })
  } finally {
    await reader.terminate()
  }
})
