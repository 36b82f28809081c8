import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DumpChunkLine, DumpObject, DumpTable } from '../src/dump-layout.ts'
import { checksumStatement } from '../src/mysql-checksum.ts'
import { quoteIdentifier } from '../src/mysql-quoting.ts'
import { agentFor, dump, restoreByHand } from './capture-fixture.ts'
import { schemaText } from './schema-fingerprint.ts'

let server: ThrowawayMariadb
let target: ThrowawayMariadb

beforeAll(async () => {
  ;[server, target] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
})
afterAll(async () => {
  await Promise.all([server?.stop(), target?.stop()])
})

async function lines<Line>(directory: string, schema: string, file: string): Promise<Line[]> {
  const text = await readFile(join(directory, schema, file), 'utf8')
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
}

async function checksumOf(on: ThrowawayMariadb, schema: string, table: DumpTable): Promise<string> {
  return (await on.client(`SET time_zone='+00:00'; ${checksumStatement(schema, table)}`)).trim()
}

const hostileSchema = '-Ünï `x` \'y\' "z" $(a) %.d'

const everything = `
SET NAMES utf8mb4; SET sql_mode='';
CREATE DATABASE types CHARACTER SET utf8mb4; USE types;
CREATE TABLE numbers (id INT PRIMARY KEY, t TINYINT, tu TINYINT UNSIGNED, s SMALLINT, m MEDIUMINT, i INT, b BIGINT, bu BIGINT UNSIGNED,
  d DECIMAL(65,30), f FLOAT, fd FLOAT(7,4), g DOUBLE, b1 BIT(1), b64 BIT(64), y YEAR, bo BOOLEAN);
INSERT INTO numbers VALUES
 (1,-128,0,-32768,-8388608,-2147483648,-9223372036854775808,0,-99999999999999999999999999999999999.999999999999999999999999999999,-3.402823466e38,-999.9999,-1.7976931348623157e308,b'0',0,0,0),
 (2,127,255,32767,8388607,2147483647,9223372036854775807,18446744073709551615,99999999999999999999999999999999999.999999999999999999999999999999,1.17549435e-38,999.9999,2.2250738585072014e-308,b'1',18446744073709551615,2155,1),
 (3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
 (4,0,0,0,0,0,0,0,0,0.1,0.1,0.1,b'1',0x0909090a5c00275c,1901,0),(5,0,0,0,0,0,0,0,0,16777217,1,-0e0,b'1',10,1901,0);
CREATE TABLE times (id INT PRIMARY KEY, d DATE, t TIME(6), dt DATETIME(6), ts TIMESTAMP(6) NULL);
INSERT INTO times VALUES (1,'0000-00-00','-838:59:59','0000-00-00 00:00:00','1970-01-01 00:00:01'),
 (2,'9999-12-31','838:59:59.999999','9999-12-31 23:59:59.999999','2038-01-19 03:14:07.999999'),(3,NULL,NULL,NULL,NULL),(4,'2024-02-30','0:0:0','1000-01-01','2024-10-27 01:30:00');
CREATE TABLE texts (id INT AUTO_INCREMENT PRIMARY KEY, c CHAR(20), v VARCHAR(300), l LONGTEXT, bi BINARY(4), vb VARBINARY(300), bl LONGBLOB,
  e ENUM('a','b\\'','ü'), s SET('x','y','z'), j JSON, u UUID, ip INET6);
INSERT INTO texts VALUES (0,'','','','','','','a','',NULL,NULL,NULL),(NULL,'\\\\N','\\\\N','\\t\\n\\\\\\r\\0','\\0\\0','\\t\\n',REPEAT('\\0\\t\\n\\\\',100000),'b\\'','x,z','{"k":"\\\\n"}',UUID(),'2001:db8::ff00:42:8329'),
 (NULL,'🦊 ünï','日本',REPEAT('ü',100000),NULL,NULL,NULL,'ü','',NULL,NULL,'::');
INSERT INTO texts (bl) SELECT UNHEX(GROUP_CONCAT(LPAD(HEX(seq),2,'0') ORDER BY seq SEPARATOR '')) FROM seq_0_to_255;
CREATE TABLE charsets (id INT PRIMARY KEY, l1 VARCHAR(50) CHARACTER SET latin1, u3 VARCHAR(50) CHARACTER SET utf8mb3, u16 VARCHAR(50) CHARACTER SET utf16,
  uc VARCHAR(50) CHARACTER SET ucs2, sj VARCHAR(50) CHARACTER SET sjis, gb VARCHAR(50) CHARACTER SET gbk, b5 VARCHAR(50) CHARACTER SET big5);
INSERT INTO charsets VALUES (1,'äöü€','日本','🦊日','日本','表ソ','乗丂','功許');
INSERT INTO charsets (id,l1) VALUES (2,UNHEX('818D8F909D00FF5C'));
SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO'; CREATE TABLE zeros (id INT AUTO_INCREMENT PRIMARY KEY, b BIT(8)); INSERT INTO zeros VALUES (0,1),(1,2),(5,3); SET SESSION sql_mode='';
CREATE TABLE shapes (id INT PRIMARY KEY, g GEOMETRY, p POINT, l LINESTRING, y POLYGON);
INSERT INTO shapes VALUES (1,ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,9 10))',4326),POINT(92,9),ST_GeomFromText('LINESTRING(0 0,1 1)'),ST_GeomFromText('POLYGON((0 0,10 0,10 10,0 10,0 0))')),(2,NULL,NULL,NULL,NULL);
CREATE TABLE made (id INT PRIMARY KEY, a INT, v INT AS (a*2) VIRTUAL, p INT AS (a*3) PERSISTENT, h INT INVISIBLE DEFAULT 7, KEY(v));
INSERT INTO made (id,a,h) VALUES (1,5,9),(2,NULL,NULL);
CREATE TABLE versioned (id INT PRIMARY KEY, a INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME(s,e)) WITH SYSTEM VERSIONING;
INSERT INTO versioned (id,a) VALUES (1,1),(2,2); UPDATE versioned SET a=10 WHERE id=1; DELETE FROM versioned WHERE id=2;
CREATE TABLE parts (id INT, x VARCHAR(10), PRIMARY KEY(id)) PARTITION BY RANGE(id) (PARTITION p0 VALUES LESS THAN (100), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO parts SELECT seq, 'x' FROM seq_1_to_300;
CREATE TABLE nothing (id INT); CREATE TABLE plain_nokey (a INT, b TEXT); INSERT INTO plain_nokey VALUES (1,'a'),(1,'a'),(NULL,NULL);
CREATE TABLE parent (id INT PRIMARY KEY); CREATE TABLE child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES parent(id)); INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1,1);
CREATE SEQUENCE counter START WITH 100 INCREMENT BY 5; SELECT NEXTVAL(counter);
CREATE TABLE uses_sequence (id INT PRIMARY KEY DEFAULT (NEXTVAL(counter)), a INT);
CREATE DATABASE ${quoteIdentifier(hostileSchema)} CHARACTER SET utf8mb4; USE ${quoteIdentifier(hostileSchema)};
CREATE TABLE \`select\` (\`from\` INT PRIMARY KEY, \`a\`\`b\` TEXT, \`日本\` INT, \`%41\` INT); INSERT INTO \`select\` VALUES (1,'x',2,3);
CREATE TABLE \`a.b/c\` (x INT PRIMARY KEY); INSERT INTO \`a.b/c\` VALUES (7);
CREATE TABLE \`a%2Eb/c\` (x INT PRIMARY KEY); INSERT INTO \`a%2Eb/c\` VALUES (8);
CREATE VIEW \`order\` AS SELECT \`from\`, \`a\`\`b\` FROM \`select\`;
`

test('every column type, character set and name comes back by hand, with zstd and the client only', async () => {
  await server.client(everything)
  await using dumped = await dump(agentFor(server, { verify: 'checksum', chunkBytes: 65_536 }))
  expect(dumped.stage.failed).toEqual(new Map())
  expect(dumped.stage.sealed.map((facts) => facts.item).sort()).toEqual(['mysql', 'types', hostileSchema].sort())
  await restoreByHand(dumped, 'types', target)
  const objects = await lines<DumpObject>(dumped.stage.directory, 'types', 'objects.jsonl')
  const tables = objects.filter((object) => object.type === 'table')
  expect(tables).toHaveLength(14)
  // These comparisons are the server's; the checksum below is ours.
  for (const sql of [
    'SELECT id, HEX(l1), HEX(u3), HEX(u16), HEX(uc), HEX(sj), HEX(gb), HEX(b5) FROM types.charsets ORDER BY id',
    'SELECT id, f, f = 0.1, f+0e0, g, b64+0, bu, d FROM types.numbers ORDER BY id',
    'SELECT id, MD5(bl), MD5(l), HEX(bi), j, u, ip, e+0, s FROM types.texts ORDER BY id',
    'SELECT id, ST_AsText(g), ST_SRID(g), ST_AsText(p) FROM types.shapes ORDER BY id',
    'SELECT id, a, v, p, h FROM types.made ORDER BY id',
    'SELECT *, s, e FROM types.versioned FOR SYSTEM_TIME ALL ORDER BY id, s',
    'SELECT * FROM types.times ORDER BY id',
    'SELECT id, b+0 FROM types.zeros ORDER BY id',
    'SHOW CREATE TABLE types.parts',
  ]) {
    expect(await target.client(sql), sql).toBe(await server.client(sql))
  }
  const totals = await lines<DumpChunkLine>(dumped.stage.directory, 'types', 'chunks.jsonl')
  for (const table of tables) {
    const total = totals.find((line) => line.type === 'table-total' && line.table === table.name)
    const source = await checksumOf(server, 'types', table)
    expect(`${total?.rows}\t${total?.type === 'table-total' ? total.checksum : ''}`, table.name).toBe(source)
    expect(await checksumOf(target, 'types', table), table.name).toBe(source)
  }
  const next = Number(await target.client('SELECT NEXTVAL(types.counter)'))
  expect(next).toBeGreaterThan(100)
})

test('programs brought back by hand keep the session they were created in', async () => {
  await server.client(`CREATE DATABASE contexts CHARACTER SET utf8mb4; USE contexts; CREATE TABLE t (id INT PRIMARY KEY, x VARCHAR(50));
    SET NAMES latin1 COLLATE latin1_german1_ci; SET sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES'; SET time_zone='+05:30';
    CREATE FUNCTION plain() RETURNS VARCHAR(50) DETERMINISTIC RETURN 'a\\b';
    CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.x = 'x\\y';
    CREATE EVENT ev ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DISABLE DO SET @x = 1;
    CREATE VIEW v AS SELECT 'a' AS letter;
    SET NAMES utf8mb4; SET sql_mode=''; CREATE FUNCTION letters() RETURNS VARCHAR(50) CHARSET utf8mb4 DETERMINISTIC RETURN 'äö 日本';`)
  await using dumped = await dump(agentFor(server, { users: false }), { items: ['contexts'] })
  await restoreByHand(dumped, 'contexts', target)
  const context = 'character_set_client, collation_connection'
  for (const sql of [
    `SELECT routine_name, sql_mode, ${context} FROM information_schema.routines WHERE routine_schema = 'contexts' ORDER BY 1`,
    `SELECT trigger_name, sql_mode, ${context} FROM information_schema.triggers WHERE trigger_schema = 'contexts'`,
    `SELECT event_name, sql_mode, time_zone, starts, ${context} FROM information_schema.events WHERE event_schema = 'contexts'`,
    `SELECT table_name, ${context} FROM information_schema.views WHERE table_schema = 'contexts'`,
    'SELECT contexts.plain(), contexts.letters(), (SELECT letter FROM contexts.v)',
    'USE contexts; START TRANSACTION; INSERT INTO t (id) VALUES (1); SELECT x FROM t; ROLLBACK',
  ]) {
    const source = await server.client(sql)
    expect(source).not.toBe('')
    expect(await target.client(sql), sql).toBe(source)
  }
  expect(await target.client("SELECT DISTINCT character_set_client FROM information_schema.events WHERE event_schema = 'contexts'")).toBe(
    'latin1\n',
  )
})

test('the folder of a schema with a hostile name holds safe names only, and each names its table', async () => {
  await using dumped = await dump(agentFor(server, { users: false }), { items: [hostileSchema] })
  const names = dumped.stage.files.map((file) => file.name)
  for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_$.%~-]+$/)
  expect(new Set(names).size).toBe(names.length)
  const chunks = await lines<DumpChunkLine>(dumped.stage.directory, hostileSchema, 'chunks.jsonl')
  expect(chunks.flatMap((line) => (line.type === 'chunk' ? [line.table] : [])).sort()).toEqual(['a%2Eb/c', 'a.b/c', 'select'])
  await restoreByHand(dumped, hostileSchema, target)
  expect(await schemaText(target, hostileSchema)).toBe(await schemaText(server, hostileSchema))
})

test('accounts come back with hashes, roles, admin options and default roles', async () => {
  await server.client(`CREATE USER 'ann'@'%' IDENTIFIED BY 'secret'; CREATE USER 'o''neil'@'10.%' IDENTIFIED VIA mysql_native_password USING '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19' OR unix_socket;
    CREATE ROLE reader; CREATE ROLE nested; GRANT SELECT ON types.* TO reader; GRANT reader TO nested; GRANT nested TO 'ann'@'%' WITH ADMIN OPTION;
    SET DEFAULT ROLE nested FOR 'ann'@'%'; GRANT UPDATE (a) ON types.made TO 'o''neil'@'10.%';`)
  await using dumped = await dump(agentFor(server), { items: ['mysql'] })
  const sql = await readFile(join(dumped.stage.directory, 'mysql', 'users.sql'), 'utf8')
  expect(sql).not.toContain('secret')
  // Statements about root itself would change the password that this test goes on with.
  await target.client('CREATE DATABASE IF NOT EXISTS types; CREATE TABLE IF NOT EXISTS types.made (a INT)')
  await target.client(
    sql
      .split('\n')
      .filter((line) => !line.includes('`root`'))
      .join('\n'),
  )
  for (const account of ["'ann'@'%'", "'o''neil'@'10.%'", 'reader', 'nested']) {
    expect(await target.client(`SHOW GRANTS FOR ${account}`)).toBe(await server.client(`SHOW GRANTS FOR ${account}`))
  }
})
