import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from '../src/mysql-connection.ts'
import { agentFor, dump, resolvedSettings, settingsFor, until } from './capture-fixture.ts'

let server: ThrowawayMariadb

beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client(`CREATE DATABASE held; USE held; CREATE TABLE t (id INT PRIMARY KEY, x INT); INSERT INTO t VALUES (1,1);
    CREATE DATABASE large; USE large; CREATE TABLE rows_ (id INT PRIMARY KEY, t CHAR(250)); INSERT INTO rows_ SELECT seq, MD5(seq) FROM seq_1_to_100000;`)
})
afterAll(async () => {
  await server?.stop()
})

/** Sessions of the agent on the server. */
async function sessions(): Promise<string[]> {
  const list = await server.client(
    "SELECT CONCAT(p.id, ' ', p.command, ' ', IFNULL(p.info, '')) FROM information_schema.processlist p WHERE p.user = 'root' AND p.id <> CONNECTION_ID()",
  )
  return list.split('\n').filter((line) => line !== '')
}

async function serverIsFree(): Promise<void> {
  await until('the end of all sessions', async () => ((await sessions()).length === 0 ? true : undefined))
  await server.client(
    'SET lock_wait_timeout=5, innodb_lock_wait_timeout=5; UPDATE held.t SET x = x + 1; CREATE OR REPLACE TABLE held.free_ (id INT)',
  )
}

test.each(['stage', 'ftwrl', 'lockTables'] as const)(
  'a process that is killed while it holds %s leaves the server free',
  async (locking) => {
    const child = spawn(process.execPath, ['--conditions=@backup-planet/source', join(import.meta.dirname, 'capture-holder-process.ts')], {
      env: { ...process.env, HOLDER_SETTINGS: JSON.stringify(settingsFor(server, { locking })) },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    try {
      await once(child.stdout, 'data')
      const waiting = server.client('UPDATE held.t SET x = x + 1')
      await until('a writer that waits', async () => ((await sessions()).some((line) => line.includes('UPDATE held.t')) ? true : undefined))
      child.kill('SIGKILL')
      await waiting
    } finally {
      child.kill('SIGKILL')
      await exited
    }
    await serverIsFree()
  },
)

test('an abort in the middle of the copy leaves no session, no query and no lock, and throws ABORTED', async () => {
  const abort = new AbortController()
  let blocks = 0
  const dumping = dump(
    agentFor(server, { chunkBytes: 1_000_000 }),
    {
      during: (stage) => {
        stage.onBlock = () => {
          if (++blocks === 10) abort.abort()
        }
      },
    },
    { signal: abort.signal },
  )
  await expect(dumping).rejects.toMatchObject({ code: 'ABORTED' })
  expect(blocks).toBeGreaterThanOrEqual(10)
  await serverIsFree()
})

test('an abort while the lock is waited for gives up the wait and everything else', async () => {
  const abort = new AbortController()
  await using holder = await connect(resolvedSettings(server))
  await holder.run('LOCK TABLES held.t WRITE')
  const dumping = dump(agentFor(server, { locking: 'ftwrl', lockTimeoutSeconds: 30 }), {}, { signal: abort.signal })
  dumping.catch(() => undefined)
  await until('the wait for the lock', async () =>
    (await sessions()).some((line) => line.includes('FLUSH TABLES WITH READ LOCK')) ? true : undefined,
  )
  abort.abort()
  await expect(dumping).rejects.toMatchObject({ code: 'ABORTED' })
  await holder[Symbol.asyncDispose]()
  await serverIsFree()
})

test('a signal that is aborted beforehand connects to nothing', async () => {
  const connections = async () => (await server.client("SHOW GLOBAL STATUS LIKE 'Connections'")).trim().split('\t')[1]
  const before = Number(await connections())
  const agent = agentFor(server)
  await expect(agent.beginCapture({ job: 'j', kind: 'full', chain: [] }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'ABORTED',
  })
  expect(Number(await connections())).toBe(before + 1)
})

test('a long query holds off the lock: refused at once, or waited for', async () => {
  const blocker = server.client('SELECT SLEEP(30)')
  blocker.catch(() => undefined)
  const sleeping = await until('the long query', async () => (await sessions()).find((line) => line.includes('SLEEP(30)')))
  try {
    await until('a query of 2 s', async () =>
      (
        await server.client("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(30)%' AND time >= 2")
      ).trim() === '1'
        ? true
        : undefined,
    )
    const refused = dump(agentFor(server, { longQueryGuardSeconds: 1, longQueryAction: 'refuse' }))
    await expect(refused).rejects.toMatchObject({ code: 'CONFLICT', hint: expect.stringContaining('KILL QUERY') })
    const problems = await agentFor(server, { longQueryGuardSeconds: 1 }).check({ job: 'j', kind: 'full', chain: [] })
    expect(problems.map((problem) => problem.code)).toContain('CONFLICT')
  } finally {
    await server.client(`KILL ${Number.parseInt(sleeping, 10)}`)
    await blocker.catch(() => undefined)
  }
  await serverIsFree()
})

test('a lock that is not granted ends in TIMED_OUT, and nothing stays locked', async () => {
  await using holder = await connect(resolvedSettings(server))
  await holder.run('LOCK TABLES held.t WRITE')
  const dumping = dump(agentFor(server, { locking: 'ftwrl', lockTimeoutSeconds: 1, lockAttempts: 2 }))
  await expect(dumping).rejects.toMatchObject({ code: 'TIMED_OUT', hint: expect.stringContaining('lockTimeoutSeconds') })
  await holder.run('UNLOCK TABLES')
  await holder[Symbol.asyncDispose]()
  await serverIsFree()
})

test('a reader whose connection is killed ends the run with UNREACHABLE, and nothing is sealed', async () => {
  let blocks = 0
  const dumping = dump(agentFor(server, { chunkBytes: 1_000_000, users: false }), {
    items: ['large'],
    during: (stage) => {
      stage.onBlock = async () => {
        if (++blocks !== 5) return
        // Only readers have a transaction.
        const reader = (await server.client('SELECT trx_mysql_thread_id FROM information_schema.innodb_trx LIMIT 1')).trim()
        await server.client(`KILL ${reader}`)
      }
    },
  })
  await expect(dumping).rejects.toMatchObject({ code: 'UNREACHABLE' })
  await serverIsFree()
})

test('a stage that fails ends the run with its own error, and the server is left free', async () => {
  const dumping = dump(agentFor(server, { chunkBytes: 1_000_000 }), {
    during: (stage) => {
      stage.onBlock = (file) => {
        if (file.name.includes('rows_.00001')) throw new TypeError('no room')
      }
    },
  })
  await expect(dumping).rejects.toThrow('no room')
  await serverIsFree()
})

test('tables without snapshots can be read and not written until they are copied, and are marked', async () => {
  await server.client(
    `CREATE DATABASE loose; USE loose; CREATE TABLE m (id INT) ENGINE=MyISAM; INSERT INTO m VALUES (1); CREATE TABLE i (id INT PRIMARY KEY); INSERT INTO i VALUES (1);`,
  )
  let insert: Promise<string> | undefined
  await using dumped = await dump(agentFor(server, { users: false }), {
    items: ['loose'],
    during: async () => {
      expect(await server.client('SELECT COUNT(*) FROM loose.m')).toBe('1\n')
      insert = server.client('INSERT INTO loose.m VALUES (2)')
      await until('a writer that waits', async () =>
        (await sessions()).some((line) => line.includes('INSERT INTO loose.m')) ? true : undefined,
      )
      await server.client('INSERT INTO loose.i VALUES (2)')
    },
  })
  await insert
  expect(dumped.stage.failed).toEqual(new Map())
  expect(dumped.stage.sealed[0]?.facts).toMatchObject({ tables: 2, rows: 2, inconsistentTables: [] })
  await expect(dump(agentFor(server, { nonTransactionalTables: 'refuse' }), { items: ['loose'] })).rejects.toMatchObject({
    code: 'UNSUPPORTED',
  })
  await using unlocked = await dump(agentFor(server, { users: false, nonTransactionalTables: 'none' }), { items: ['loose'] })
  expect(unlocked.stage.sealed[0]?.facts).toMatchObject({ inconsistentTables: ['m'] })
  await serverIsFree()
})
