import { execFileSync } from 'node:child_process'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSnapshot } from '../src/dump/snapshot.ts'
import { connect } from '../src/mysql-connection.ts'
import { detectServer, readBinlogPosition } from '../src/mysql-server.ts'
import { agentFor, dump, resolvedSettings, restoreByHand } from './capture-fixture.ts'

let server: ThrowawayMariadb
let target: ThrowawayMariadb

beforeAll(async () => {
  ;[server, target] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
})
afterAll(async () => {
  await Promise.all([server?.stop(), target?.stop()])
})

const accounts = 400

async function makeBank(): Promise<void> {
  await server.client(`CREATE OR REPLACE DATABASE bank; USE bank;
    CREATE TABLE a (id INT PRIMARY KEY, balance INT, pad CHAR(200) DEFAULT '') ENGINE=InnoDB; CREATE TABLE b LIKE a;
    INSERT INTO a (id, balance) SELECT seq, 100 FROM seq_1_to_${accounts}; INSERT INTO b (id, balance) SELECT seq, 100 FROM seq_1_to_${accounts};`)
}

/** Moves money between the two tables until it is stopped; the sum never changes. */
async function transfers(): Promise<{ stop(): Promise<number> }> {
  let running = true
  let count = 0
  const work = async (seed: number): Promise<void> => {
    await using connection = await connect(resolvedSettings(server))
    await connection.run('USE bank')
    for (let turn = seed; running; turn += 7) {
      const [from, to, amount] = [(turn * 31) % accounts, (turn * 17) % accounts, turn % 50]
      await connection.run('START TRANSACTION')
      await connection.run(`UPDATE a SET balance = balance - ${amount} WHERE id = ${from + 1}`)
      await connection.run(`UPDATE b SET balance = balance + ${amount} WHERE id = ${to + 1}`)
      await connection.run('COMMIT')
      count++
    }
  }
  const workers = [work(1), work(2)].map((worker) => worker.catch((error: unknown) => Promise.reject(error)))
  return {
    stop: async () => {
      running = false
      // Two writers may meet in a deadlock, which is no concern of this test.
      await Promise.allSettled(workers)
      return count
    },
  }
}

test.each(['stage', 'ftwrl', 'lockTables'] as const)(
  'under writers, a dump taken with %s holds one moment across tables and readers',
  async (locking) => {
    await makeBank()
    const writers = await transfers()
    let count = 0
    try {
      await using dumped = await dump(agentFor(server, { locking, chunkBytes: 8192, users: false }), { items: ['bank'] })
      count = await writers.stop()
      expect(dumped.stage.failed).toEqual(new Map())
      expect(dumped.facts.facts.lock).toBe(locking)
      expect(dumped.facts.facts.lockedMilliseconds).toBeLessThan(2000)
      await target.client('DROP DATABASE IF EXISTS bank')
      await restoreByHand(dumped, 'bank', target)
    } finally {
      await writers.stop()
    }
    expect(count).toBeGreaterThan(0)
    expect(
      await target.client('SELECT (SELECT SUM(balance) FROM bank.a) + (SELECT SUM(balance) FROM bank.b), (SELECT COUNT(*) FROM bank.a)'),
    ).toBe(`${accounts * 200}\t${accounts}\n`)
  },
)

test('all readers stand at the position that was read under the lock', async () => {
  await makeBank()
  const writers = await transfers()
  try {
    await using session = await connect(resolvedSettings(server))
    const facts = await detectServer(session)
    const tables = ['a', 'b'].map((name) => ({ schema: 'bank', name, transactional: true }))
    await using snapshot = await openSnapshot({ settings: resolvedSettings(server, { threads: 4 }), server: facts, tables })
    const sums = await Promise.all(
      snapshot.readers.map(async (reader) => {
        const [row] = await reader.rows('SELECT (SELECT SUM(balance) FROM bank.a) AS a, (SELECT SUM(balance) FROM bank.b) AS b')
        return [row?.number('a'), row?.number('b')]
      }),
    )
    expect(new Set(sums.map(String)).size).toBe(1)
    const now = await readBinlogPosition(session, facts)
    expect(Number(snapshot.position?.offset)).toBeLessThan(500)
    expect(snapshot.position?.file).toBe(now?.file)
  } finally {
    await writers.stop()
  }
})

/** Big enough not to be read before the change, of several files. */
const table = `CREATE TABLE victim (id INT PRIMARY KEY, t CHAR(200)); INSERT INTO victim SELECT seq, 'x' FROM seq_1_to_2000;`

test.each([
  ['is rebuilt', 'ALTER TABLE victim ENGINE=InnoDB, FORCE', /victim/],
  ['gets a column at once', 'ALTER TABLE victim ADD COLUMN extra INT DEFAULT 5, ALGORITHM=INSTANT', /victim was altered/],
  ['changes its character set', 'ALTER TABLE victim MODIFY t CHAR(200) CHARACTER SET utf16', /victim/],
  ['is dropped', 'DROP TABLE victim', /victim was dropped or renamed/],
  ['is renamed', 'RENAME TABLE victim TO gone', /victim was dropped or renamed/],
  ['is truncated', 'TRUNCATE TABLE victim', /victim/],
  [
    'is swapped with its twin',
    'RENAME TABLE victim TO tmp, twin TO victim, tmp TO twin',
    /(victim|twin) was rebuilt, truncated or replaced/,
  ],
  ['loses a column', 'ALTER TABLE victim DROP COLUMN t', /victim/],
])('a table that %s during the copy fails its item, and the other items go on', async (_, change, message) => {
  await server.client(`CREATE OR REPLACE DATABASE moving; USE moving; ${table} CREATE TABLE twin LIKE victim; INSERT INTO twin SELECT id, 'other' FROM victim;
    CREATE OR REPLACE DATABASE calm; CREATE TABLE calm.t (id INT PRIMARY KEY); INSERT INTO calm.t VALUES (1);`)
  await using dumped = await dump(agentFor(server, { users: false }), {
    items: ['moving', 'calm'],
    during: async () => {
      await server.client(`USE moving; ${change}`)
    },
  })
  expect(dumped.stage.sealed.map((facts) => facts.item)).toEqual(['calm'])
  expect(dumped.stage.failed.get('moving')).toMatchObject({ code: 'INCONSISTENT', message: expect.stringMatching(message) })
})

test('a table that is swapped for its twin while it is read, and swapped back before the end, fails its item', async () => {
  await server.client(
    `CREATE OR REPLACE DATABASE moving; USE moving; ${table} CREATE TABLE twin LIKE victim; INSERT INTO twin SELECT id, 'other' FROM victim; ANALYZE TABLE victim;`,
  )
  const swap = 'RENAME TABLE moving.victim TO moving.tmp, moving.twin TO moving.victim, moving.tmp TO moving.twin'
  const swaps: string[] = []
  await using dumped = await dump(agentFor(server, { users: false, threads: 1, chunkBytes: 8192, excludeTables: ['moving.twin'] }), {
    items: ['moving'],
    during: (stage) => {
      stage.onFile = async (file) => {
        const number = Number(/victim\.(\d+)\.dat/.exec(file.name)?.[1] ?? -1)
        if (number !== 3 && number !== 4) return
        swaps.push(await server.client(swap))
      }
    },
  })
  expect(swaps).toHaveLength(2)
  expect(dumped.stage.failed.get('moving')).toMatchObject({
    code: 'INCONSISTENT',
    message: expect.stringContaining('victim was rebuilt, truncated or replaced'),
  })
})

test('what changes after it was read, or was not there, leaves the item whole and as of the snapshot', async () => {
  await server.client(`CREATE OR REPLACE DATABASE moving; USE moving; CREATE TABLE first_ (id INT PRIMARY KEY, t CHAR(200));
    INSERT INTO first_ SELECT seq, 'first' FROM seq_1_to_9000; CREATE TABLE last_ (id INT PRIMARY KEY); INSERT INTO last_ VALUES (1);
    CREATE VIEW seen AS SELECT id FROM first_; CREATE VIEW gone AS SELECT 1 AS one; CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1;
    CREATE TRIGGER tr BEFORE INSERT ON last_ FOR EACH ROW SET @x = 1; CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DO SET @x = 1;`)
  let changed = false
  await using dumped = await dump(agentFor(server, { users: false, threads: 1 }), {
    items: ['moving'],
    during: async (stage) => {
      await server.client(`USE moving; CREATE OR REPLACE VIEW seen AS SELECT 2 AS two; DROP VIEW gone; CREATE OR REPLACE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 2;
        DROP TRIGGER tr; ALTER EVENT ev DO SET @x = 2; CREATE TABLE fresh (id INT); INSERT INTO fresh VALUES (1); CREATE VIEW fresh_view AS SELECT 1 AS one;`)
      stage.onFile = async (file) => {
        // The biggest table is read first, and completely before the next one begins.
        if (!file.name.includes('last_.00000.dat')) return
        changed = true
        await server.client('USE moving; DROP TABLE first_; CREATE TABLE first_ (id INT)')
      }
    },
  })
  expect(changed).toBe(true)
  expect(dumped.stage.failed).toEqual(new Map())
  await target.client('DROP DATABASE IF EXISTS moving')
  await restoreByHand(dumped, 'moving', target)
  expect(
    await target.client(
      'USE moving; SELECT COUNT(*), MIN(t) FROM first_; SELECT COUNT(*) FROM seen; SELECT one FROM gone; SELECT f(); SHOW TABLES',
    ),
  ).toBe('9000\tfirst\n9000\n1\n1\nfirst_\ngone\nlast_\nseen\n')
  const programs = await target.client(
    "SELECT action_statement FROM information_schema.triggers WHERE trigger_schema = 'moving'; SELECT event_definition FROM information_schema.events WHERE event_schema = 'moving'",
  )
  expect(programs).toBe('SET @x = 1\nSET @x = 1\n')
})

test('a table that is dropped and created anew with the same rows fails its item, and so does a chain of names', async () => {
  for (const change of [
    "DROP TABLE victim; CREATE TABLE victim (id INT PRIMARY KEY, t CHAR(200)); INSERT INTO victim SELECT seq, 'x' FROM seq_1_to_2000",
    'RENAME TABLE twin TO further; RENAME TABLE victim TO twin',
  ]) {
    await server.client(
      `CREATE OR REPLACE DATABASE moving; USE moving; ${table} CREATE TABLE twin LIKE victim; INSERT INTO twin SELECT id, 'y' FROM victim;`,
    )
    await using dumped = await dump(agentFor(server, { users: false }), {
      items: ['moving'],
      during: async () => {
        await server.client(`USE moving; ${change}`)
      },
    })
    expect(dumped.stage.sealed).toEqual([])
    expect(dumped.stage.failed.get('moving')?.code).toBe('INCONSISTENT')
  }
})

/** Runs a statement after the schemas were read and before the snapshot is opened, once. */
function beforeSnapshot(sql: string): (event: { readonly type: string; readonly text?: string }) => void {
  let done = false
  return ({ text }) => {
    if (done || text?.startsWith('connect ') !== true) return
    done = true
    // Before anything else of the run happens.
    execFileSync('mariadb', ['--no-defaults', '--socket', server.socketPath, '--user', server.user, '--execute', sql], {
      env: { ...process.env, MYSQL_PWD: server.rootPassword },
    })
  }
}

test.each([
  ['created', 'CREATE DATABASE late; CREATE TABLE late.t (a INT); INSERT INTO late.t VALUES (1)', 'late', true],
  ['dropped', 'DROP DATABASE late', 'late', false],
] as const)('a schema that is %s before the snapshot is as it is in the snapshot', async (_, sql, schema, isThere) => {
  await using dumped = await dump(agentFor(server, { users: false }), {}, { onProgress: beforeSnapshot(sql) })
  expect([...dumped.stage.failed.keys()]).toEqual([])
  expect(dumped.stage.sealed.map(({ item }) => item).includes(schema)).toBe(isThere)
})

test.each([
  ['that is to be locked since it has no snapshots', {}],
  ['that LOCK TABLES is to hold', { locking: 'lockTables' }],
] as const)('a table %s and is dropped before that is left out, and the run goes on', async (_, settings) => {
  await server.client(
    'CREATE OR REPLACE DATABASE moving; CREATE TABLE moving.short_lived (a INT) ENGINE=MyISAM; CREATE TABLE moving.stays (a INT) ENGINE=MyISAM',
  )
  const onProgress = beforeSnapshot('DROP TABLE moving.short_lived')
  await using dumped = await dump(agentFor(server, { users: false, ...settings }), { items: ['moving'] }, { onProgress })
  expect(dumped.stage.sealed).toMatchObject([{ item: 'moving', facts: { tables: 1 } }])
})

test('a sequence that begins anew before its value is read fails its item', async () => {
  await server.client('CREATE OR REPLACE DATABASE moving; CREATE SEQUENCE moving.s; SELECT SETVAL(moving.s, 5000)')
  await using dumped = await dump(agentFor(server, { users: false }), {
    items: ['moving'],
    during: async () => {
      await server.client('CREATE OR REPLACE SEQUENCE moving.s')
    },
  })
  expect(dumped.stage.failed.get('moving')).toMatchObject({ code: 'INCONSISTENT', message: expect.stringContaining('sequence s') })
})

test('ddlGuard mdl makes ALTER wait until the copy ends', async () => {
  await server.client(`CREATE OR REPLACE DATABASE moving; USE moving; ${table}`)
  let altered: Promise<string> | undefined
  await using dumped = await dump(agentFor(server, { users: false, ddlGuard: 'mdl' }), {
    items: ['moving'],
    during: () => {
      altered = server.client('ALTER TABLE moving.victim ADD COLUMN extra INT')
    },
  })
  expect(dumped.stage.failed).toEqual(new Map())
  expect(dumped.stage.sealed.map((facts) => facts.item)).toEqual(['moving'])
  await altered
  expect(await server.client("SHOW COLUMNS FROM moving.victim LIKE 'extra'")).toContain('extra')
})

test('an ALTER in the middle of the copy does not stall it: it goes on or the item fails', async () => {
  await server.client(`CREATE OR REPLACE DATABASE moving; USE moving; ${table}`)
  let altered: Promise<string> | undefined
  await using dumped = await dump(agentFor(server, { users: false, chunkBytes: 8192 }), {
    items: ['moving'],
    during: (stage) => {
      stage.onBlock = async (file) => {
        if (altered !== undefined || !file.name.includes('.0000')) return
        altered = server.client('ALTER TABLE moving.victim ENGINE=InnoDB, FORCE')
        await altered
      }
    },
  })
  expect(dumped.stage.failed.get('moving')).toMatchObject({ code: 'INCONSISTENT' })
})

test('check names what an operator should know and changes nothing', async () => {
  await server.client(`CREATE OR REPLACE DATABASE checked; USE checked; CREATE TABLE m (id INT) ENGINE=MyISAM; CREATE TABLE merged (id INT) ENGINE=MERGE UNION=(m);
    CREATE OR REPLACE USER poor@'127.0.0.1' IDENTIFIED BY 'p'; GRANT SELECT ON checked.* TO poor@'127.0.0.1';`)
  const before = await server.client('SHOW MASTER STATUS')
  await using agent = agentFor(server, { user: 'poor', password: 'p' })
  const problems = await agent.check({ job: 'test', kind: 'full', chain: [], items: ['checked'] })
  const errors = problems.filter((problem) => problem.severity === 'error')
  expect(errors[0]?.code).toBe('ACCESS_DENIED')
  expect(errors.map((problem) => problem.message).join('\n')).toContain('lacks BINLOG MONITOR')
  expect(errors[0]?.hint).toMatch(/GRANT .* ON \*\.\* TO 'poor'@'127\.0\.0\.1'/)
  const texts = problems.map((problem) => problem.message).join('\n')
  expect(texts).toContain('m (MyISAM)')
  expect(texts).toContain('engine MRG_MyISAM keeps its rows elsewhere')
  expect(await server.client('SHOW MASTER STATUS')).toBe(before)

  // The statement that the hint names is all that is needed.
  const statement = /all at once: (GRANT .*)$/.exec(errors[0]?.hint ?? '')?.[1]
  await server.client(statement ?? 'no statement')
  const after = await agent.check({ job: 'test', kind: 'full', chain: [], items: ['checked'] })
  expect(after.filter((problem) => problem.code === 'ACCESS_DENIED')).toEqual([])
  await using dumped = await dump(agent, { items: ['checked', 'mysql'] })
  expect(dumped.stage.failed).toEqual(new Map())
})

test('a plan numbers the steps of this very run', async () => {
  await using agent = agentFor(server, { threads: 2 })
  const plan = await agent.plan({ job: 'test', kind: 'full', chain: [], items: ['calm'] })
  expect(plan.steps.map((step) => step.number)).toEqual(plan.steps.map((_, index) => index + 1))
  const text = plan.steps.map((step) => step.text).join('\n')
  expect(text).toContain('connect 2 readers')
  expect(text).toContain('BACKUP STAGE')
})
