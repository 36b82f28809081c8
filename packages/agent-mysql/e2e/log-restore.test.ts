import type { RestoreStop } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { BackupChain, emptyServer, loggedState, planReplay, replayTo } from './replay-fixture.ts'
import { shopSql } from './restore-fixture.ts'
import { accountsText } from './schema-fingerprint.ts'

let source: ThrowawayMariadb
let target: ThrowawayMariadb

const serverOptions = ['--event-scheduler=ON', '--log-bin-trust-function-creators=1']

beforeAll(async () => {
  ;[source, target] = await Promise.all([startThrowawayMariadb({ serverOptions }), startThrowawayMariadb({ serverOptions })])
})

afterAll(async () => {
  await Promise.all([source?.stop(), target?.stop()])
})

beforeEach(async () => {
  await emptyServer(source)
  await emptyServer(target)
})

const setUp = `CREATE DATABASE d CHARACTER SET utf8mb4; USE d;
  CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a VARBINARY(200), twice INT AS (LENGTH(a) * 2) STORED) ENGINE=InnoDB;
  INSERT INTO t (a) VALUES ('before')`

const rows = (server: ThrowawayMariadb) => server.client('SELECT id, HEX(a), twice FROM d.t ORDER BY id')
const gtid = async () => (await source.client('SELECT @@GLOBAL.gtid_binlog_pos')).trim()
const place = async () => {
  const [file = '', offset = ''] = (await source.client('SHOW MASTER STATUS')).split('\t')
  return { file, offset }
}

/** A second of the server's clock in which nothing was written yet, so that what is written next is of this second or later. */
async function nextSecond(): Promise<string> {
  const [begun] = (await source.client('SELECT UNIX_TIMESTAMP()')).split('\n')
  await source.client(`DO SLEEP(${Number(begun)} + 1 - UNIX_TIMESTAMP(NOW(6)) + 0.01)`)
  return new Date((Number(begun) + 1) * 1000).toISOString()
}

describe.each(['tools', 'statements'])('logs replayed by %s', (replay) => {
  const options = { replay, users: 'none' }
  const to = (chain: BackupChain, stop?: RestoreStop, more: Record<string, string[] | boolean> = {}) =>
    replayTo(chain, target, { options: { ...options, ...more }, ...(stop === undefined ? {} : { stop }) })
  const at = (value: Record<string, string>) => ({ chain: '', value })

  it('bring back everything up to the last transaction', async () => {
    await source.client([], { input: shopSql })
    await using chain = new BackupChain(source)
    await chain.full({ users: false })
    await source.client(`USE shop;
      INSERT INTO customers (name, email, note) VALUES ('Österreich\\0', 'n@example.com', "de'l/*!*/;\\n# at 4\\nDELIMITER //\\n");
      BEGIN; UPDATE orders SET total = total + 1 WHERE id < 1100; DELETE FROM orders WHERE id > 3000; COMMIT;
      INSERT INTO orders (id, customer, total, state) VALUES (7, 1, 5, 'new');
      SELECT NEXTVAL(order_numbers);
      CREATE TABLE copy SELECT * FROM customers;
      ALTER TABLE counted ADD COLUMN more VARCHAR(20) DEFAULT 'ü', ADD KEY (more);
      DROP TABLE empty_table`)
    const expected = await loggedState(source, 'shop')
    await chain.log()
    await to(chain)
    expect(await loggedState(target, 'shop')).toBe(expected)
    expect(await target.client("SHOW DATABASES LIKE 'backup_planet_restore'")).toBe('')
    expect(await target.client('SELECT @@GLOBAL.event_scheduler')).toBe('ON\n')
  })

  it('end at every kind of stop, to the transaction', async () => {
    await source.client(setUp)
    await using chain = new BackupChain(source)
    await chain.full({ users: false })
    await source.client("INSERT INTO d.t (a) VALUES (x'00FF0A27'), ('ünï')")
    const good = { rows: await rows(source), gtid: await gtid(), place: await place() }
    const moment = await nextSecond()
    await source.client('DELETE FROM d.t WHERE id > 1')
    const bad = { gtid: await gtid(), place: await place() }
    await source.client("INSERT INTO d.t (a) VALUES ('after')")
    const after = await rows(source)
    await source.client('DROP TABLE d.t')
    const dropped = await gtid()
    await source.client('CREATE TABLE d.later (a INT)')
    await chain.log()

    await to(chain, { before: moment })
    expect(await rows(target)).toBe(good.rows)
    for (const stop of [
      { position: at(good.place) },
      { position: at({ gtid: good.gtid }) },
      { beforePosition: at({ gtid: bad.gtid }) },
      { beforePosition: at(bad.place) },
    ]) {
      await to(chain, stop)
      expect(await rows(target), JSON.stringify(stop)).toBe(good.rows)
    }
    await to(chain, { beforePosition: at({ gtid: dropped }) })
    expect(await rows(target)).toBe(after)
    await to(chain, { position: at({ gtid: bad.gtid }) })
    expect(await rows(target)).toBe(await target.client("SELECT 1, HEX('before'), 12"))
    // A server that becomes a copy goes on where the source was.
    await to(chain, { position: at({ gtid: good.gtid }) }, { restoreGtid: true })
    expect(await target.client('SELECT @@GLOBAL.gtid_slave_pos')).toBe(`${good.gtid}\n`)
    await target.client("SET GLOBAL gtid_slave_pos = ''")
    // The bad DELETE left out, everything else applied.
    await to(chain, { beforePosition: at({ gtid: dropped }) }, { skipGtids: [bad.gtid] })
    expect(await rows(target)).toBe(`${good.rows}${after.split('\n')[1]}\n`)
  })

  it('apply no part of a transaction that was still open at the moment, and go on over restarts and rotations', async () => {
    await source.client(setUp)
    await using chain = new BackupChain(source)
    await chain.full({ users: false })
    await source.client("FLUSH BINARY LOGS; INSERT INTO d.t (a) VALUES ('1')")
    await source.restart()
    await source.client("INSERT INTO d.t (a) VALUES ('2')")
    await source.kill()
    await source.restart()
    await source.client("INSERT INTO d.t (a) VALUES ('3')")
    await chain.log()
    await source.client("INSERT INTO d.t (a) VALUES ('4')")
    const before = await rows(source)
    const moment = await nextSecond()
    await source.client("BEGIN; INSERT INTO d.t (a) VALUES ('5'); DO SLEEP(1.1); INSERT INTO d.t (a) VALUES ('6'); COMMIT")
    const all = await rows(source)
    await chain.log()
    await to(chain, { before: new Date(Date.parse(moment) + 1000).toISOString() })
    expect(await rows(target)).toBe(before)
    await to(chain)
    expect(await rows(target)).toBe(all)
  })

  it('bring back what programs, accounts, XA, sequences and engines without rollback did', async () => {
    await source.client(`${setUp};
      CREATE TABLE m (id INT, a TEXT) ENGINE=MyISAM;
      CREATE TABLE parent (id INT PRIMARY KEY) ENGINE=InnoDB;
      CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent (id) ON DELETE CASCADE) ENGINE=InnoDB`)
    await using chain = new BackupChain(source)
    await chain.full()
    await source.client([], {
      input: `USE d;
        CREATE TABLE fired (id INT, what TEXT) ENGINE=InnoDB;
        CREATE TRIGGER tr AFTER INSERT ON t FOR EACH ROW INSERT INTO fired VALUES (NEW.id, 'once');
        INSERT INTO t (a) VALUES ('triggered'), ('twice');
        DELIMITER //
        CREATE PROCEDURE p(IN n INT) BEGIN DECLARE i INT DEFAULT 0; WHILE i < n DO INSERT INTO t (a) VALUES (CONCAT('p;', i)); SET i = i + 1; END WHILE; END//
        CREATE FUNCTION f() RETURNS INT BEGIN INSERT INTO t (a) VALUES ('f'); RETURN 1; END//
        CREATE EVENT e ON SCHEDULE EVERY 1 SECOND STARTS '2001-01-01 00:00:00' DO INSERT INTO d.m VALUES (99, 'event ran')//
        ALTER EVENT e DISABLE//
        CREATE EVENT e2 ON SCHEDULE EVERY 1 YEAR STARTS '2031-01-01 00:00:00' DO SELECT 1//
        DELIMITER ;
        CALL p(3); SELECT f();
        CREATE VIEW v AS SELECT id, a FROM t WHERE id > 1;
        BEGIN; INSERT INTO t (a) VALUES ('rolled back'); INSERT INTO m VALUES (1, 'stays'); ROLLBACK;
        BEGIN; INSERT INTO t (a) VALUES ('kept'); SAVEPOINT s; INSERT INTO t (a) VALUES ('gone'); ROLLBACK TO s; COMMIT;
        XA START 'x1'; INSERT INTO t (a) VALUES ('xa'); XA END 'x1'; XA PREPARE 'x1'; XA COMMIT 'x1';
        XA START 'x2', 'b', 7; INSERT INTO t (a) VALUES ('xa rolled back'); XA END 'x2', 'b', 7; XA PREPARE 'x2', 'b', 7; XA ROLLBACK 'x2', 'b', 7;
        CREATE SEQUENCE s START WITH 5; SELECT NEXTVAL(s);
        CREATE TEMPORARY TABLE tmp (a INT); INSERT INTO tmp VALUES (1), (2); FLUSH BINARY LOGS; INSERT INTO t (a) SELECT CONCAT('tmp', a) FROM tmp;
        INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1, 1), (2, 2), (3, 1); DELETE FROM parent WHERE id = 1;
        CREATE TABLE versioned (a INT) WITH SYSTEM VERSIONING; INSERT INTO versioned VALUES (1); UPDATE versioned SET a = 2; DELETE FROM versioned;
        CREATE TABLE parts (a INT PRIMARY KEY) PARTITION BY HASH (a) PARTITIONS 3; INSERT INTO parts VALUES (1), (2), (3); ALTER TABLE parts COALESCE PARTITION 1;
        RENAME TABLE fired TO fired2; TRUNCATE TABLE m; INSERT INTO m VALUES (3, 'm');
        CREATE USER 'neu'@'localhost' IDENTIFIED BY 'a'; GRANT SELECT ON d.* TO 'neu'@'localhost'; CREATE ROLE r; GRANT r TO 'neu'@'localhost';
        CREATE USER 'weg'@'%'; DROP USER 'weg'@'%';
        DROP TABLE IF EXISTS nosuch;
        CREATE DATABASE d2 COLLATE latin1_german1_ci; CREATE TABLE d2.x (a VARCHAR(10)); INSERT INTO d2.x VALUES ('y'); CREATE DATABASE d3; DROP DATABASE d3;
        SET NAMES latin1; CREATE TABLE d.latin (a VARCHAR(10) CHARACTER SET utf8mb4 DEFAULT '\u00e4' COMMENT '\u00e4'); INSERT INTO d.latin VALUES ('\u00e4');
        SET NAMES utf8mb4; SET sql_mode = 'ANSI_QUOTES'; CREATE TABLE "d"."ansi ;" ("a" INT DEFAULT 1); SET time_zone = '+05:00'; CREATE TABLE d.zoned (a TIMESTAMP NOT NULL DEFAULT '2020-01-01 00:00:00')`,
    })
    const expected = [await loggedState(source, 'd'), await loggedState(source, 'd2'), await accountsText(source)]
    await chain.log()
    await replayTo(chain, target, { options: { replay } })
    expect(await loggedState(target, 'd')).toBe(expected[0])
    expect(await loggedState(target, 'd2')).toBe(expected[1])
    const own = (text: string | undefined) => (text ?? '').split('\n').filter((line) => /neu|`r`|weg/.test(line))
    expect(own(await accountsText(target))).toEqual(own(expected[2]))
    await target.client("DROP USER 'neu'@'localhost'; DROP ROLE r")
    await source.client("DROP USER 'neu'@'localhost'; DROP ROLE r")
  })

  it('take rows and statements larger than a packet of the default size', async () => {
    await source.client(setUp)
    await using chain = new BackupChain(source)
    await chain.full({ users: false })
    await source.client(`USE d; CREATE TABLE big (id INT PRIMARY KEY, a LONGBLOB); INSERT INTO big VALUES (1, REPEAT(x'00FF27', 5600000));
      CREATE TABLE many (id INT PRIMARY KEY, a CHAR(255)); INSERT INTO many SELECT seq, REPEAT(SHA1(seq), 6) FROM seq_1_to_60000; UPDATE many SET a = REVERSE(a) WHERE id % 2`)
    const sum = (server: ThrowawayMariadb) =>
      server.client('SELECT COUNT(*), SUM(CRC32(a)) FROM d.many UNION ALL SELECT LENGTH(a), CRC32(a) FROM d.big')
    await chain.log()
    await to(chain)
    expect(await sum(target)).toBe(await sum(source))
  })

  it('are refused for a stop that is not in them, before anything is changed', async () => {
    await source.client(setUp)
    await using chain = new BackupChain(source)
    await chain.full({ users: false })
    await source.client("INSERT INTO d.t (a) VALUES ('x')")
    await chain.log()
    await expect(to(chain, { position: at({ gtid: '0-1-999999' }) })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(to(chain, undefined, { skipGtids: ['0-7-1'] })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(await target.client("SHOW DATABASES LIKE 'd'")).toBe('')
  })
})

it('says what it will replay, and what stands against it', async () => {
  await source.client(setUp)
  await using chain = new BackupChain(source)
  await chain.full({ users: false })
  await source.client("INSERT INTO d.t (a) VALUES ('x')")
  await chain.log()
  await source.client("INSERT INTO d.t (a) VALUES ('y')")
  await chain.log()
  const plan = await planReplay(chain, target, {
    stop: { before: '2031-01-01T00:00:00Z' },
    options: { users: 'none', skipGtids: ['0-1-3'] },
  })
  expect(plan.problems.filter((problem) => problem.severity === 'error')).toEqual([])
  const text = plan.steps.map((step) => step.text).join('\n')
  expect(text).toMatch(
    /replay 2 log backups \(binlog\.\d+ to binlog\.\d+, .*\) with mariadb-binlog and mariadb \(.*\) from binlog\.\d+:\d+ until before the first transaction/,
  )
  expect(text).toContain('leave out of the replay transaction 0-1-3')
  chain.folders.splice(1, 1)
  const gap = await planReplay(chain, target)
  expect(gap.problems.find((problem) => problem.severity === 'error')?.message).toMatch(
    /between binlog\.\d+:\d+ and binlog\.\d+:4, where log backup .* begins, changes are missing/,
  )
})
