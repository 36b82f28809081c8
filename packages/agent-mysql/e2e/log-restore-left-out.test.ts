import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { binlogItem } from '../src/dump-layout.ts'
import { runMysqlRestore } from '../src/restore/index.ts'
import { BackupChain, emptyServer, planReplay, replayTo } from './replay-fixture.ts'
import { resolved } from './restore-round-trip.ts'

let source: ThrowawayMariadb
let target: ThrowawayMariadb

beforeAll(async () => {
  ;[source, target] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
})

afterAll(async () => {
  await Promise.all([source?.stop(), target?.stop()])
})

beforeEach(async () => {
  await emptyServer(source)
  await emptyServer(target)
  await source.client('CREATE DATABASE a; CREATE TABLE a.t (id INT PRIMARY KEY, v INT); INSERT INTO a.t VALUES (1, 1)')
})

const rows = (server: ThrowawayMariadb) => server.client('SELECT * FROM a.t ORDER BY id')

describe.each(['tools', 'statements'])('a replay by %s', (replay) => {
  const options = { replay, users: 'none' }

  it('leads past a restore that went into the source itself', async () => {
    await using chain = new BackupChain(source)
    await chain.full({ users: false })
    await source.client('INSERT INTO a.t VALUES (2, 2)')
    await chain.log()
    await source.client('DELETE FROM a.t')
    await replayTo(chain, source, { options })
    await source.client('INSERT INTO a.t VALUES (3, 3)')
    expect((await chain.log()).kind).toBe('log')
    await replayTo(chain, target, { options })
    expect(await rows(target)).toBe('1\t1\n2\t2\n3\t3\n')
    expect(await target.client("SHOW DATABASES LIKE 'backup_planet_restore'")).toBe('')
  })

  it('brings no account back that rows of the tables of the server would make', async () => {
    await using chain = new BackupChain(source)
    await chain.full({ users: false })
    await source.client(`INSERT INTO mysql.global_priv VALUES ('%', 'evil', '{"access":18446744073709551615}');
      INSERT INTO a.t VALUES (2, 2); DELETE FROM mysql.global_priv WHERE User = 'evil';
      SET binlog_format = STATEMENT; INSERT INTO mysql.global_priv VALUES ('%', 'evil2', '{}'); DELETE FROM mysql.global_priv WHERE User = 'evil2'`)
    await target.client("INSERT INTO mysql.global_priv VALUES ('%', 'evil', '{}')")
    await chain.log()
    const report = await replayTo(chain, target, { options })
    expect(await rows(target)).toBe('1\t1\n2\t2\n')
    expect(await target.client("SELECT User FROM mysql.global_priv WHERE User LIKE 'evil%'")).toBe('evil\n')
    expect(report.problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^changes of mysql.global_priv .* were not applied/),
    ])
    await target.client("DELETE FROM mysql.global_priv WHERE User = 'evil'")
  })

  it('writes nothing into the binlog of the target where it must not', async () => {
    await using chain = new BackupChain(source)
    await chain.full({ users: false })
    await source.client('INSERT INTO a.t VALUES (2, 2)')
    await chain.log()
    const before = await target.client('SELECT @@GLOBAL.gtid_binlog_pos')
    await replayTo(chain, target, { options: { ...options, binlog: false } })
    expect(await rows(target)).toBe('1\t1\n2\t2\n')
    expect(await target.client('SELECT @@GLOBAL.gtid_binlog_pos')).toBe(before)
  })

  it('never guesses behind a transaction that is skipped', async () => {
    await source.client('CREATE TABLE a.m (n INT) ENGINE=MyISAM; INSERT INTO a.m VALUES (0)')
    await using chain = new BackupChain(source)
    await chain.full({ users: false })
    await source.client('INSERT INTO a.t VALUES (2, 2)')
    const skipped = (await source.client('SELECT @@GLOBAL.gtid_binlog_pos')).trim()
    // The last of these cannot be applied, so that the replay ends with its journal, as a cut would.
    await source.client(`SET binlog_format = STATEMENT; UPDATE a.m SET n = n + 1;
      SET sql_log_bin = 0; CREATE TABLE a.late (id INT PRIMARY KEY); SET sql_log_bin = 1; SET binlog_format = ROW; INSERT INTO a.late VALUES (1)`)
    const log = await chain.log()
    const plan = await planReplay(chain, target, { options: { ...options, skipGtids: [skipped] } })
    await runMysqlRestore(resolved(target), plan, chain.files())
    const events = (await source.client(`SHOW BINLOG EVENTS IN '${log.items[0]?.files?.[0]?.name}'`))
      .split('\n')
      .map((line) => line.split('\t'))
    const begin = events.find((fields) => fields[5]?.includes(skipped))?.[1]
    // As if it had been cut between the statement and the note that it is done.
    await target.client(`UPDATE backup_planet_restore.replay SET log_offset = ${begin}, begun = 1`)
    const report = await runMysqlRestore(resolved(target), plan, chain.files())
    expect(report.items.find((item) => item.item === binlogItem)?.failure).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(/UPDATE a\.m .* had begun/),
    })
    expect(await target.client('SELECT n FROM a.m')).toBe('1\n')
  })

  it('leaves out what the full backup left out, and says so', async () => {
    await source.client('CREATE TABLE a.sessions (id INT PRIMARY KEY); CREATE DATABASE b; CREATE TABLE b.x (id INT PRIMARY KEY)')
    await using chain = new BackupChain(source)
    await chain.full({ users: false, excludeTables: ['*.sessions'], excludeSchemas: ['b'] })
    await source.client(`INSERT INTO a.t VALUES (2, 2); INSERT INTO a.sessions VALUES (1); INSERT INTO b.x VALUES (1); ALTER TABLE a.sessions ADD v INT;
      CREATE TABLE b.y (id INT); CREATE DATABASE later; CREATE TABLE later.t (id INT); INSERT INTO later.t VALUES (7); UPDATE a.t, a.sessions SET a.t.v = 3, a.sessions.v = 3`)
    await chain.log()
    const plan = await planReplay(chain, target, { options: { ...options, stripDefiner: true } })
    expect(plan.problems.filter(({ item }) => item === binlogItem).map(({ message }) => message)).toEqual([
      expect.stringMatching(/leaves something out, and so does the replay of the logs: b\.\*, a\.sessions$/),
      expect.stringMatching(/^stripDefiner counts for the full backup alone/),
    ])
    await replayTo(chain, target, { options })
    expect(await rows(target)).toBe('1\t3\n2\t3\n')
    expect(await target.client("SELECT id FROM later.t; SHOW TABLES IN a; SHOW DATABASES LIKE 'b'")).toBe('7\nt\n')
  })

  it('passes over statements on what is not there, and takes lists of tables apart', async () => {
    await source.client(`CREATE TABLE a.sessions (id INT PRIMARY KEY); CREATE TABLE a.u (id INT); CREATE VIEW a.v AS SELECT id FROM a.sessions;
      CREATE TRIGGER a.old AFTER INSERT ON a.sessions FOR EACH ROW SET @x = 1; CREATE DATABASE b; CREATE PROCEDURE b.p() SELECT 1`)
    await using chain = new BackupChain(source)
    await chain.full({ users: false, excludeTables: ['*.sessions'], excludeSchemas: ['b'] })
    await source.client(`USE a; DROP TRIGGER old; CREATE TRIGGER tr AFTER INSERT ON sessions FOR EACH ROW SET @x = 1; DROP TRIGGER tr; DROP VIEW v;
      CREATE TABLE w (id INT); DROP TABLE sessions, w; CREATE TABLE sessions LIKE t; ALTER TABLE sessions ADD FOREIGN KEY (id) REFERENCES t (id);
      USE b; DROP PROCEDURE p; CREATE TABLE a.made (id INT); DROP TABLE a.u; INSERT INTO a.t VALUES (2, 2)`)
    await chain.log()
    const report = await replayTo(chain, target, { options })
    expect(report.items.map(({ failure }) => failure)).not.toContainEqual(expect.anything())
    expect(await rows(target)).toBe('1\t1\n2\t2\n')
    expect(await target.client("SHOW TABLES IN a; SHOW DATABASES LIKE 'b'")).toBe('made\nt\n')
  })

  it('reads names as the server did, and gives back what savepoints in a schema that was left out undo', async () => {
    await source.client('CREATE DATABASE b; CREATE TABLE a.m (n INT) ENGINE=MyISAM')
    await using chain = new BackupChain(source)
    await chain.full({ users: false, excludeSchemas: ['b'] })
    await source.client(`USE b; SET sql_mode = 'ANSI_QUOTES'; ALTER TABLE "a"."t" ADD "w" INT; BEGIN; INSERT INTO a.t VALUES (2, 2, 2); SAVEPOINT s;
      INSERT INTO a.t VALUES (3, 3, 3); INSERT INTO a.m VALUES (1); ROLLBACK TO s; COMMIT`)
    await chain.log()
    await replayTo(chain, target, { options })
    expect(await rows(target)).toBe(await rows(source))
    expect(await rows(target)).toBe('1\t1\tNULL\n2\t2\t2\n')
  })

  it('refuses a statement whose triggers changed what is restored, before anything is changed', async () => {
    await source.client(`CREATE TABLE a.sessions (id INT PRIMARY KEY);
      CREATE TRIGGER a.tr AFTER INSERT ON a.sessions FOR EACH ROW INSERT INTO a.t VALUES (NEW.id, 9)`)
    await using chain = new BackupChain(source)
    await chain.full({ users: false, excludeTables: ['*.sessions'] })
    await source.client('SET binlog_format = STATEMENT; INSERT INTO a.sessions VALUES (7)')
    await chain.log()
    await expect(replayTo(chain, target, { options })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/INSERT INTO a\.sessions .* changes a\.sessions, which is not restored/),
    })
    expect(await target.client("SHOW DATABASES LIKE 'a'")).toBe('')
  })

  it('takes an ALTER once that was logged in two halves, and none that failed', async () => {
    await using chain = new BackupChain(source)
    await chain.full({ users: false })
    await source.client(['--force'], {
      input: `USE a; INSERT INTO t VALUES (2, 1); SET SESSION binlog_alter_two_phase = 1; ALTER TABLE t ADD KEY (v);
        ALTER TABLE t ADD UNIQUE u (v); ALTER TABLE t ADD COLUMN w INT; INSERT INTO t VALUES (3, 1, 1);`,
    })
    const expected = await source.client('SHOW CREATE TABLE a.t')
    await chain.log()
    await replayTo(chain, target, { options })
    expect(await target.client('SHOW CREATE TABLE a.t')).toBe(expected)
    expect(await rows(target)).toBe(await rows(source))
  })
})
