import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { binlogItem } from '../src/dump-layout.ts'
import { BackupChain, emptyServer, loggedState, planReplay, replayTo } from './replay-fixture.ts'

let source: ThrowawayMariadb
let target: ThrowawayMariadb

beforeAll(async () => {
  ;[source, target] = await Promise.all([
    startThrowawayMariadb({ serverOptions: ['--log-bin-compress=1', '--log-bin-compress-min-len=10'] }),
    startThrowawayMariadb(),
  ])
})

afterAll(async () => {
  await Promise.all([source?.stop(), target?.stop()])
})

beforeEach(async () => {
  await emptyServer(source)
  await emptyServer(target)
})

const setUp = `CREATE DATABASE d CHARACTER SET utf8mb4; USE d; CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a VARCHAR(200)) ENGINE=InnoDB;
  CREATE TABLE m (a INT) ENGINE=MyISAM; INSERT INTO t (a) VALUES ('before')`

describe.each(['tools', 'statements'])('logs replayed by %s', (replay) => {
  const options = { replay, users: 'none' }

  it('may be compressed', async () => {
    await source.client(setUp)
    await using chain = new BackupChain(source)
    await chain.full({ users: false })
    await source.client(`USE d; INSERT INTO t (a) SELECT REPEAT(seq, 20) FROM seq_1_to_500; UPDATE t SET a = CONCAT(a, 'ü'); DELETE FROM t WHERE id % 3 = 0;
      CREATE TABLE long_name_of_a_table (a VARCHAR(100) DEFAULT '${'ä'.repeat(100)}', b INT COMMENT '${'x'.repeat(300)}')`)
    const expected = await loggedState(source, 'd')
    await chain.log()
    await replayTo(chain, target, { options })
    expect(await loggedState(target, 'd')).toBe(expected)
  })

  it('may hold statements with all that they need of their sessions, and temporary tables across binlogs', async () => {
    await source.client(setUp)
    await using chain = new BackupChain(source)
    await chain.full({ users: false })
    await source.client([], {
      input: `USE d; SET SESSION binlog_format = MIXED, timestamp = 1234567890.123456;
        CREATE TABLE s (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a VARCHAR(50), at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), d DOUBLE, n DECIMAL(20,5));
        SET SESSION binlog_format = STATEMENT;
        SET @text = 'ünï''\\\\', @whole = 18446744073709551615, @real = 1.5e-7, @decimal = -1234567890123.00045, @nothing = NULL;
        INSERT INTO s (a, d, n) VALUES (@text, @real, @decimal), (@whole, RAND(), @nothing);
        INSERT INTO s (a) VALUES (CONCAT('last ', LAST_INSERT_ID()));
        SET SESSION auto_increment_increment = 7, auto_increment_offset = 3; INSERT INTO s (a) VALUES ('seven'), ('steps');
        SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'; INSERT INTO "s" (a) VALUES ('back\\slash'); SET SESSION sql_mode = '';
        SET NAMES latin1; INSERT INTO s (a) VALUES (X'E4'), ('${'\u00e4'}'); SET NAMES utf8mb4;
        SET SESSION time_zone = '+07:00'; INSERT INTO s (a, at) VALUES ('zone', '2020-06-01 12:00:00'); SET SESSION foreign_key_checks = 0;
        CREATE TEMPORARY TABLE tmp (a VARCHAR(20)); INSERT INTO tmp VALUES ('one'), ('two'); FLUSH BINARY LOGS; INSERT INTO s (a) SELECT a FROM tmp; DROP TEMPORARY TABLE tmp;
        BEGIN; INSERT INTO t (a) VALUES ('gone'); INSERT INTO m VALUES (1); ROLLBACK; CREATE TABLE twice (a INT PRIMARY KEY) ENGINE=MyISAM`,
    })
    await source.client('DROP TABLE d.m, d.nosuch').catch(() => undefined)
    await source.client('SET SESSION binlog_format = STATEMENT; INSERT INTO d.twice VALUES (1), (2), (1), (3)').catch(() => undefined)
    const expected = await loggedState(source, 'd')
    await chain.log()
    // The client of the tools stops at a statement that failed on the source too.
    if (replay === 'tools') {
      const plan = await planReplay(chain, target, { options })
      expect(plan.problems.filter((problem) => problem.severity === 'error')).toEqual([])
      await expect(replayTo(chain, target, { options })).rejects.toThrow(
        /INSERT INTO d.twice .* ended with error 1062 on the source.*; everything up to binlog\.\d+:\d+ is applied/,
      )
    } else {
      await replayTo(chain, target, { options })
      expect(await loggedState(target, 'd')).toBe(expected)
    }
    await target.client('DROP DATABASE IF EXISTS backup_planet_restore')
  })

  it('bring back some schemas alone, and nothing when that cannot be told', async () => {
    await source.client(`${setUp}; CREATE DATABASE other; CREATE TABLE other.x (a INT)`)
    await using chain = new BackupChain(source)
    await chain.full({ users: false })
    await source.client(`USE d; INSERT INTO t (a) VALUES ('mine'); BEGIN; INSERT INTO other.x VALUES (1); INSERT INTO t (a) VALUES ('both'); COMMIT;
      UPDATE t, other.x SET t.a = 'joined', other.x.a = 2 WHERE t.id = 1; USE other; CREATE TABLE y (a INT); INSERT INTO y VALUES (1); USE d; CREATE TABLE z (a INT); CREATE USER 'nobody'@'localhost'; DROP USER 'nobody'@'localhost'`)
    const expected = await loggedState(source, 'd')
    await chain.log()
    await replayTo(chain, target, { options: { replay }, items: ['d'] })
    expect(await loggedState(target, 'd')).toBe(expected)
    expect(await target.client("SHOW DATABASES LIKE 'other'")).toBe('')
    await source.client('USE d; CREATE TABLE w LIKE other.y')
    await chain.log()
    await emptyServer(target)
    await expect(replayTo(chain, target, { options: { replay }, items: ['d'] })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/binlog\.\d+ at offset \d+: CREATE TABLE w LIKE other\.y touches schemas/),
    })
    expect(await target.client("SHOW DATABASES LIKE 'd'")).toBe('')
  })
})

it('refuses names that cannot be replayed, and tools that are not there', async () => {
  await source.client(setUp)
  await using chain = new BackupChain(source)
  await chain.full({ users: false })
  await source.client("INSERT INTO d.t (a) VALUES ('x')")
  await chain.log()
  const path = process.env.PATH
  try {
    process.env.PATH = '/nonexistent'
    const plan = await planReplay(chain, target, { options: { replay: 'tools' } })
    expect(plan.problems).toContainEqual(expect.objectContaining({ severity: 'error', code: 'NOT_FOUND', item: binlogItem }))
    const without = await planReplay(chain, target)
    expect(without.steps.map((step) => step.text).join('\n')).toContain('by BINLOG statements')
  } finally {
    process.env.PATH = path
  }
})

it('can be replayed by hand as RESTORE.md says', async () => {
  await source.client(setUp)
  await using chain = new BackupChain(source)
  await chain.full({ users: false })
  await source.client("USE d; INSERT INTO t (a) VALUES ('x\\0y'); FLUSH BINARY LOGS; CREATE TABLE later (a INT)")
  const expected = await loggedState(source, 'd')
  await chain.log()
  const log = chain.folders.splice(1, 1)[0]
  await replayTo(chain, target)
  const directory = log?.directory ?? ''
  const script = /```bash\n([\s\S]*?)```/.exec(await readFile(join(directory, 'RESTORE.md'), 'utf8'))?.[1] ?? ''
  const home = await mkdtemp(join(tmpdir(), 'bp-home-'))
  try {
    const login = `[client]\nhost=${target.host}\nport=${target.port}\nuser=${target.user}\npassword=${target.rootPassword}\nprotocol=tcp\n`
    await writeFile(join(home, '.my.cnf'), login, { mode: 0o600 })
    await promisify(execFile)('bash', ['-c', script], { cwd: join(directory, binlogItem), env: { PATH: process.env.PATH, HOME: home } })
  } finally {
    await rm(home, { recursive: true, force: true })
  }
  expect(await loggedState(target, 'd')).toBe(expected)
})
