import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agentFor, dump, restoreByHand } from './capture-fixture.ts'
import { backUpToFolder } from './folder-backup.ts'
import { restoreAll } from './restore-round-trip.ts'

let source: ThrowawayMariadb
let target: ThrowawayMariadb
let byHand: ThrowawayMariadb

beforeAll(async () => {
  ;[source, target, byHand] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb(), startThrowawayMariadb()])
})
afterAll(async () => {
  await Promise.all([source?.stop(), target?.stop(), byHand?.stop()])
})

/** Statements whose text holds bytes of no one character set. */
async function runBytes(server: ThrowawayMariadb, sql: string): Promise<void> {
  const file = join(server.directory, 'statements.sql')
  await writeFile(file, Buffer.from(sql, 'latin1'))
  await server.client(`source ${file}`)
}

test('literals that are no text come back byte for byte, in tables, views and programs', async () => {
  await runBytes(
    source,
    `CREATE DATABASE bytes CHARACTER SET utf8mb4; USE bytes; SET NAMES utf8mb4;
    CREATE TABLE t (id INT PRIMARY KEY, a VARBINARY(8) DEFAULT x'ff00fe', b BINARY(2) DEFAULT x'80ff', c VARBINARY(8) DEFAULT x'c3', d BLOB DEFAULT x'ff275c22',
      e VARBINARY(9) DEFAULT (x'ff'), f VARCHAR(9) AS (CONCAT(_latin1 x'df', id)) STORED);
    INSERT INTO t (id) VALUES (1);
    CREATE VIEW v AS SELECT x'ff80' AS a, _latin1 x'df' AS l, HEX(_binary x'ff') AS h, '\xc3\xbc' AS u, HEX(_binary '\xfe''\\\\') AS q;
    CREATE FUNCTION f() RETURNS VARBINARY(9) DETERMINISTIC RETURN _binary '\xff';
    CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.e = _binary '\xfe';
    SET NAMES utf8mb3; CREATE VIEW v3 AS SELECT HEX(_binary '\xff\xc3\xbc') AS h; CREATE FUNCTION f3() RETURNS VARBINARY(9) DETERMINISTIC RETURN _binary '\xff' 'a';
    SET NAMES latin1; CREATE VIEW w AS SELECT HEX(_binary '\xe9') AS h, HEX('\xe9') AS l; CREATE FUNCTION fl() RETURNS VARBINARY(9) DETERMINISTIC RETURN _binary '\xe9';
    SET NAMES sjis; CREATE FUNCTION fs() RETURNS VARCHAR(9) CHARSET utf8mb4 DETERMINISTIC RETURN '\x95\x5c\x83\x5c';
    SET NAMES binary; CREATE FUNCTION fb() RETURNS VARBINARY(9) DETERMINISTIC RETURN '\xe9';`,
  )
  await using folder = await backUpToFolder(source, { users: false })
  expect(folder.backup.items.map((item) => item.failure)).toEqual([undefined])
  await restoreAll(target, folder)
  await using dumped = await dump(agentFor(source, { users: false }))
  await restoreByHand(dumped, 'bytes', byHand)
  const queries = [
    'SELECT * FROM bytes.v3',
    'SELECT HEX(a), HEX(l), h, u, q FROM bytes.v',
    'SELECT * FROM bytes.w',
    'SELECT HEX(bytes.f()), HEX(bytes.f3()), HEX(bytes.fl()), HEX(bytes.fb()), HEX(bytes.fs())',
    'INSERT INTO bytes.t (id) VALUES (2); SELECT id, HEX(a), HEX(b), HEX(c), HEX(d), HEX(e), HEX(f) FROM bytes.t ORDER BY id',
  ]
  for (const sql of queries) {
    const wanted = await source.client(sql)
    expect(await target.client(sql), sql).toBe(wanted)
    expect(await byHand.client(sql), `${sql} by hand`).toBe(wanted)
  }
  // What the server prints of tables and views, as MariaDB's own tool sees it.
  const printed = async (server: ThrowawayMariadb) =>
    (
      await server.dump(['--skip-dump-date', '--skip-comments', '--no-data', '--skip-triggers', '--default-character-set=binary', 'bytes'])
    ).toString('latin1')
  const wanted = await printed(source)
  expect(wanted).toContain("DEFAULT '\xff\\0\xfe'")
  expect(await printed(target)).toBe(wanted)
})

test('a program with bytes that are no text fails its schema by name, and no other', async () => {
  // The client would leave the comment out.
  const statement = Buffer.from('CREATE PROCEDURE odd.p() BEGIN /* caf\xe9 */ SELECT 1; END', 'latin1').toString('hex')
  await source.client(`CREATE DATABASE odd; SET NAMES utf8mb4; EXECUTE IMMEDIATE x'${statement}'`)
  await using folder = await backUpToFolder(source, { users: false })
  const failed = folder.backup.items.flatMap((item) =>
    item.failure === undefined ? [] : [[item.item, item.failure.code, item.failure.message]],
  )
  expect(failed).toEqual([['odd', 'UNSUPPORTED', 'procedure odd.p holds bytes that are no UTF-8']])
  await source.client('DROP DATABASE odd')
})
