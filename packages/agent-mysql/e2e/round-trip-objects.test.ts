import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { backUpToFolder, type FolderBackup } from './folder-backup.ts'
import { restoreAll } from './restore-round-trip.ts'
import { schemaText } from './schema-fingerprint.ts'

const schemas = ['odd one', 'odd-two%`'] as const
const quoted = (name: string) => `\`${name.replaceAll('`', '``')}\``
const [one, two] = schemas.map(quoted)
const longName = '漢字かな交じり文ßéü'.repeat(7).slice(0, 64)

/** What MariaDB 10.11 has beside plain tables, each at its oddest. */
const sql = `
SET NAMES utf8mb4;
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', timestamp = 1700000000;
CREATE DATABASE ${one} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_nopad_ci COMMENT 'it''s; -- a "comment" \\\\ /* é */';
CREATE DATABASE ${two} CHARACTER SET latin1 COLLATE latin1_german2_ci;
USE ${one};

CREATE SEQUENCE \`cycle ;\` START WITH 5 MINVALUE -7 MAXVALUE 12 INCREMENT BY 5 CACHE 3 CYCLE;
CREATE SEQUENCE \`down\` START WITH -9223372036854775807 MINVALUE -9223372036854775807 MAXVALUE 9223372036854775806 INCREMENT BY -3 NOCACHE NOCYCLE;
CREATE SEQUENCE \`zero step\` INCREMENT BY 0 CACHE 10;
CREATE SEQUENCE \`used up\` START WITH 1 MAXVALUE 3 NOCYCLE CACHE 2;
CREATE SEQUENCE \`mine\` START WITH 7 ENGINE=MyISAM;
CREATE SEQUENCE \`set back\` START WITH 1000 NOCACHE; ALTER SEQUENCE \`set back\` RESTART 5;
CREATE SEQUENCE \`set up\` START WITH -1 INCREMENT BY -3 MAXVALUE 1000 NOCACHE; ALTER SEQUENCE \`set up\` RESTART 500;
CREATE SEQUENCE \`around\` START WITH 100 MINVALUE 1 MAXVALUE 102 CYCLE NOCACHE; SELECT NEXTVAL(\`around\`), NEXTVAL(\`around\`), NEXTVAL(\`around\`), NEXTVAL(\`around\`);
DO NEXTVAL(\`cycle ;\`), NEXTVAL(\`cycle ;\`), NEXTVAL(\`cycle ;\`);
DO NEXTVAL(\`used up\`), NEXTVAL(\`used up\`), NEXTVAL(\`used up\`);

CREATE TABLE \`a\` (id INT PRIMARY KEY, b INT, c INT) ENGINE=InnoDB;
CREATE TABLE \`b\` (id INT PRIMARY KEY, a INT, KEY (a)) ENGINE=InnoDB;
CREATE TABLE ${two}.\`c\` (id INT PRIMARY KEY, a INT) ENGINE=InnoDB;
ALTER TABLE a ADD CONSTRAINT \`to b\` FOREIGN KEY (b) REFERENCES b (id) ON DELETE SET NULL ON UPDATE CASCADE;
ALTER TABLE b ADD CONSTRAINT \`to a\` FOREIGN KEY (a) REFERENCES a (id) ON DELETE CASCADE;
ALTER TABLE ${two}.c ADD CONSTRAINT across FOREIGN KEY (a) REFERENCES ${one}.a (id);
ALTER TABLE a ADD CONSTRAINT back FOREIGN KEY (c) REFERENCES ${two}.c (id) ON UPDATE SET NULL;
SET foreign_key_checks = 0;
INSERT INTO a VALUES (1, 1, 1), (2, 1, NULL), (3, 77, 88);
INSERT INTO b VALUES (1, 2), (2, 3);
INSERT INTO ${two}.c VALUES (1, 1), (2, 99);
SET foreign_key_checks = 1;

CREATE TABLE everything (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'tab\\t newline\\n nul-less \\\\ ''quotes'' "double" \`back\` 漢',
  u UUID DEFAULT UUID(),
  made VARCHAR(40) DEFAULT (CONCAT('a', 'b,', ')')),
  t TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  d DATETIME DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP,
  squeezed TEXT COMPRESSED DEFAULT NULL,
  squeezed_bytes VARBINARY(5000) COMPRESSED DEFAULT NULL,
  j JSON CHECK (JSON_VALID(j)),
  n INT INVISIBLE DEFAULT 5 CHECK (n <> 13),
  gen_key INT AS (n * 2) PERSISTENT,
  gen_virtual VARCHAR(20) AS (CONCAT_WS(',', n, 'x)')) VIRTUAL INVISIBLE,
  latin VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_general_cs NOT NULL DEFAULT 'ß',
  \`select\` INT, \`100%\` INT, \`a\`\`b\` INT, \`it's\` INT, \`dot.dot\` INT, \`${longName}\` INT, \` lead\` INT, \`SELECT * FROM x; --\` INT,
  PRIMARY KEY (id),
  UNIQUE KEY \`u\` (u), KEY \`100%;\` (\`100%\`) IGNORED, KEY desc_key (n DESC, id ASC) COMMENT 'c'';', KEY (gen_key),
  KEY made (made),
  CONSTRAINT \`n > 0; --\` CHECK (n > 0 OR \`it's\` IS NULL)
) ENGINE=InnoDB AUTO_INCREMENT=9007199254740000 ROW_FORMAT=DYNAMIC COMMENT='table ''comment''; DROP TABLE x' STATS_PERSISTENT=1 STATS_AUTO_RECALC=0;
INSERT INTO everything (id, made, squeezed, squeezed_bytes, j, n, latin) VALUES
  (0, 'zero', REPEAT('é', 3000), REPEAT(x'00ff', 2000), '{"a": [1, "\\\\u00e9"]}', 1, 'ü'),
  (1, NULL, '', '', NULL, NULL, ''), (9007199254739999, 'x', NULL, NULL, '[]', 7, 'x');
CREATE TABLE liked (a VARCHAR(20) PRIMARY KEY CHECK (a LIKE '%'), b INT AS (a NOT LIKE 'x%') VIRTUAL);
INSERT INTO liked (a) VALUES ('xa'), ('b');
CREATE TABLE full_text (id INT PRIMARY KEY, a TEXT, b TEXT, FULLTEXT KEY fa (a), FULLTEXT KEY fb (b), FULLTEXT KEY fab (a, b)) ENGINE=InnoDB;
INSERT INTO full_text SELECT seq, CONCAT('word', seq), 'more words' FROM seq_1_to_50;
CREATE TABLE hashed (id INT PRIMARY KEY, b TEXT, UNIQUE KEY (b)) ENGINE=InnoDB;
INSERT INTO hashed SELECT seq, REPEAT(seq, 100) FROM seq_1_to_50;
CREATE TABLE only_generated (a INT AS (1) VIRTUAL, b INT AS (2) PERSISTENT) ENGINE=InnoDB;
CREATE TABLE redundant_row (a CHAR(20), b TEXT) ENGINE=InnoDB ROW_FORMAT=REDUNDANT;
CREATE TABLE compact_row (a CHAR(20), b TEXT) ENGINE=InnoDB ROW_FORMAT=COMPACT;
CREATE TABLE compressed_page (a INT PRIMARY KEY, b TEXT) ENGINE=InnoDB PAGE_COMPRESSED=1 PAGE_COMPRESSION_LEVEL=9;
INSERT INTO compressed_page SELECT seq, REPEAT('x', 500) FROM seq_1_to_50;
CREATE TABLE aria (a INT PRIMARY KEY, b TEXT) ENGINE=Aria TRANSACTIONAL=1 PAGE_CHECKSUM=1;
INSERT INTO aria SELECT seq, seq FROM seq_1_to_50;
CREATE TABLE fixed_row (a INT, b CHAR(9), KEY (a)) ENGINE=MyISAM ROW_FORMAT=FIXED MAX_ROWS=1000 MIN_ROWS=10 AVG_ROW_LENGTH=50 CHECKSUM=1 DELAY_KEY_WRITE=1 PACK_KEYS=1;
INSERT INTO fixed_row SELECT seq % 3, seq FROM seq_1_to_50;
CREATE TABLE in_memory (a INT, b VARCHAR(9), KEY (a) USING BTREE, KEY (b) USING HASH) ENGINE=MEMORY;
INSERT INTO in_memory SELECT seq % 3, seq FROM seq_1_to_50;
CREATE TABLE csv (a INT NOT NULL, b VARCHAR(90) NOT NULL) ENGINE=CSV;
INSERT INTO csv SELECT seq, 'a "quoted", thing' FROM seq_1_to_5;
CREATE TABLE places (id INT PRIMARY KEY, p POINT NOT NULL, g GEOMETRYCOLLECTION, SPATIAL KEY (p)) ENGINE=InnoDB;
INSERT INTO places VALUES (1, ST_GeomFromText('POINT(1 2)', 4326), ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')), (2, POINT(-0.0, 1e300), ST_GeomFromText('GEOMETRYCOLLECTION EMPTY'));

CREATE TABLE by_range (id INT NOT NULL, d DATE NOT NULL, PRIMARY KEY (id, d)) PARTITION BY RANGE (YEAR(d)) SUBPARTITION BY HASH (TO_DAYS(d)) (
  PARTITION p0 VALUES LESS THAN (1990) (SUBPARTITION s0 COMMENT 'x;', SUBPARTITION s1), PARTITION \`p 1\` VALUES LESS THAN MAXVALUE (SUBPARTITION s2, SUBPARTITION \`s''3\`));
CREATE TABLE by_columns (a INT, b VARCHAR(20)) PARTITION BY RANGE COLUMNS (a, b) (PARTITION x VALUES LESS THAN (10, 'it''s'), PARTITION y VALUES LESS THAN (MAXVALUE, MAXVALUE));
CREATE TABLE by_list (a INT) PARTITION BY LIST (a) (PARTITION x VALUES IN (1, 2, NULL), PARTITION y VALUES IN (3), PARTITION z DEFAULT);
CREATE TABLE by_list_columns (a VARCHAR(10)) PARTITION BY LIST COLUMNS (a) (PARTITION x VALUES IN ('a', 'é)'), PARTITION y DEFAULT);
CREATE TABLE by_key (a INT PRIMARY KEY, b TEXT) PARTITION BY LINEAR KEY ALGORITHM = 1 (a) PARTITIONS 3;
CREATE TABLE by_hash (a INT NOT NULL) PARTITION BY LINEAR HASH (a * 3 + 1) PARTITIONS 4;
INSERT INTO by_range SELECT seq, '1980-01-01' + INTERVAL seq MONTH FROM seq_1_to_400;
INSERT INTO by_columns SELECT seq, CONCAT('s', seq) FROM seq_1_to_50;
INSERT INTO by_list SELECT NULLIF(seq % 7, 6) FROM seq_1_to_50;
INSERT INTO by_list_columns VALUES ('a'), ('é)'), (NULL), ('other');
INSERT INTO by_key SELECT seq, seq FROM seq_1_to_50;
INSERT INTO by_hash SELECT seq % 5 FROM seq_1_to_50;

CREATE TABLE versions (id INT PRIMARY KEY, v INT, w INT WITHOUT SYSTEM VERSIONING) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION h0 HISTORY, PARTITION now CURRENT);
CREATE TABLE versions_named (id INT PRIMARY KEY, v INT, \`from\` TIMESTAMP(6) GENERATED ALWAYS AS ROW START, \`to\` TIMESTAMP(6) GENERATED ALWAYS AS ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (\`from\`, \`to\`)) WITH SYSTEM VERSIONING;
CREATE TABLE versions_limited (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME LIMIT 20 (PARTITION h0 HISTORY, PARTITION h1 HISTORY, PARTITION now CURRENT);
CREATE TABLE periods (id INT, a DATE, b DATE, PERIOD FOR valid (a, b), UNIQUE KEY (id, valid WITHOUT OVERLAPS));
INSERT INTO versions SELECT seq, 0, 1 FROM seq_1_to_20; INSERT INTO versions_named (id, v) SELECT seq, 0 FROM seq_1_to_20; INSERT INTO versions_limited SELECT seq, 0 FROM seq_1_to_15;
SET timestamp = 1700000100; UPDATE versions SET v = 1 WHERE id < 9; UPDATE versions_named SET v = 1 WHERE id > 9; UPDATE versions_limited SET v = 1;
SET timestamp = 1700000200.5; DELETE FROM versions WHERE id = 2; DELETE FROM versions_named WHERE id = 12; UPDATE versions_limited SET v = 2;
INSERT INTO periods VALUES (1, '2020-01-01', '2021-01-01'), (1, '2021-01-01', '2022-01-01');

DELIMITER $$
CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2 $$
CREATE AGGREGATE FUNCTION last_one(n INT) RETURNS INT DETERMINISTIC BEGIN DECLARE l INT; DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN l; LOOP FETCH GROUP NEXT ROW; SET l = n; END LOOP; END $$
CREATE VIEW \`z base\` AS SELECT id, twice(n) AS \`100% "x"\`, 'it''s; \\\\' AS t FROM everything $$
CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW \`a over z\` AS SELECT * FROM \`z base\` WHERE twice(id) > 0 WITH CASCADED CHECK OPTION $$
CREATE ALGORITHM=TEMPTABLE VIEW \`0 over a\` (x, \`y;\`) AS WITH RECURSIVE r AS (SELECT 1 AS q UNION ALL SELECT q + 1 FROM r WHERE q < 3) SELECT q, COUNT(*) OVER (ORDER BY q) FROM r JOIN \`a over z\` ON TRUE $$
CREATE VIEW \`across\` AS SELECT a.id, c.id AS other, \`c\`.\`a\` FROM a JOIN ${two}.c AS \`c\` ON c.a = a.id $$
CREATE VIEW \`alias\` AS SELECT \`odd one\`.id FROM a AS \`odd one\` $$
CREATE FUNCTION from_view() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM \`across\`) $$
CREATE VIEW \`uses function of view\` AS SELECT from_view() AS n $$
CREATE TRIGGER t1 BEFORE INSERT ON a FOR EACH ROW SET NEW.b = NEW.id $$
CREATE TRIGGER t2 BEFORE INSERT ON a FOR EACH ROW FOLLOWS t1 SET @second = 1 $$
CREATE TRIGGER t0 BEFORE INSERT ON a FOR EACH ROW PRECEDES t1 SET @first = 1 $$
CREATE TRIGGER \`t " after\` AFTER DELETE ON a FOR EACH ROW BEGIN DECLARE x INT; INSERT INTO ${two}.c VALUES (OLD.id, NULL); END $$
CREATE TRIGGER t5 AFTER UPDATE ON b FOR EACH ROW SET @a = 1 $$
SET sql_mode = 'ORACLE' $$
CREATE OR REPLACE PACKAGE pack AS FUNCTION f(n INT) RETURN INT; PROCEDURE p; END $$
CREATE OR REPLACE PACKAGE BODY pack AS counter INT := 0; FUNCTION f(n INT) RETURN INT AS BEGIN RETURN n || ';'; END; PROCEDURE p AS BEGIN counter := counter + 1; END; END $$
SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES' $$
CREATE PROCEDURE "an "" odd; \\ name"(IN "in" INT, OUT "out" TEXT, INOUT x ENUM('a''b', '\\')) COMMENT 'it''s' SQL SECURITY INVOKER BEGIN SELECT "in" || '\\' || "out"; END $$
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO' $$
SET time_zone = '-11:30' $$
CREATE EVENT \`once\` ON SCHEDULE AT '2037-12-31 23:59:59' ON COMPLETION NOT PRESERVE ENABLE COMMENT 'it''s' DO DELETE FROM a $$
CREATE DEFINER='nobody here'@'%' EVENT \`of nobody\` ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2036-01-01 00:00:00' ENDS '2037-01-01 00:00:00' ON COMPLETION PRESERVE ENABLE DO BEGIN DELETE FROM a; END $$
SET time_zone = 'SYSTEM' $$
CREATE EVENT \`of the system zone\` ON SCHEDULE EVERY 2 MONTH STARTS '2036-01-01 00:00:00' DISABLE ON SLAVE DO SELECT 1 $$
CREATE EVENT \`asleep\` ON SCHEDULE EVERY 1 SECOND DISABLE DO DELETE FROM b $$
DELIMITER ;
USE ${two};
CREATE TABLE plain (id INT PRIMARY KEY, ä VARCHAR(20) DEFAULT 'ö') COMMENT 'ü';
INSERT INTO plain VALUES (1, 'ß');
CREATE VIEW latin AS SELECT 'ß' AS \`ü\`, ä FROM plain;
`

describe('objects of every kind', () => {
  let server: ThrowawayMariadb
  let folder: FolderBackup
  let expected: readonly string[]
  const texts = async () => [
    ...(await Promise.all(schemas.map((schema) => schemaText(server, schema)))),
    // What no dump shows of a view.
    await server.client(
      'SELECT TABLE_SCHEMA, TABLE_NAME, IS_UPDATABLE, ALGORITHM, CHECK_OPTION FROM information_schema.VIEWS ORDER BY 1, 2',
    ),
    await server.client(
      'SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_MANIPULATION, ACTION_ORDER FROM information_schema.TRIGGERS ORDER BY 1, 2',
    ),
  ]
  beforeAll(async () => {
    server = await startThrowawayMariadb()
    await server.client(['--default-character-set=utf8mb4'], { input: sql })
    expected = await texts()
    folder = await backUpToFolder(server, { users: false, chunkBytes: 4096 }, schemas)
  }, 60_000)
  beforeEach(() =>
    server.client(`SET foreign_key_checks = 0; ${schemas.map((schema) => `DROP DATABASE IF EXISTS ${quoted(schema)};`).join(' ')}`),
  )
  afterAll(async () => {
    await folder?.[Symbol.asyncDispose]()
    await server?.stop()
  })

  it.each([
    ['by LOAD DATA, keys after the rows', 1, true],
    ['by INSERT, keys before the rows', 0, false],
  ])('come back as they were: %s', async (_, localInfile, deferIndexes) => {
    await server.client(`SET GLOBAL local_infile = ${localInfile}`)
    const report = await restoreAll(server, folder, { options: { deferIndexes, threads: 2 } })
    expect(report.problems).toEqual([])
    for (const [index, text] of (await texts()).entries()) expect(text).toBe(expected[index])
  })

  it('go on as they would have in the source', async () => {
    await restoreAll(server, folder)
    expect(await server.client(`SELECT NEXTVAL(${one}.mine), NEXTVAL(${one}.mine)`)).toBe('7\t8\n')
    await expect(server.client(`SELECT NEXTVAL(${one}.\`used up\`)`)).rejects.toThrow(/4084/)
    expect(await server.client(`SELECT * FROM ${one}.\`uses function of view\``)).toBe('1\n')
    expect(await server.client(`SELECT COUNT(*) FROM ${one}.versions FOR SYSTEM_TIME AS OF TIMESTAMP'2023-11-14 22:14:00'`)).toBe('20\n')
    await expect(server.client(`INSERT INTO ${one}.everything (n) VALUES (13)`)).rejects.toThrow(/4025/)
  })

  it('come under another name, views too in which a table has the old name for an alias', async () => {
    const report = await restoreAll(server, folder, { rename: { [schemas[0]]: 'new one' } })
    expect(report.problems.filter((problem) => problem.severity === 'error')).toEqual([])
    expect(await server.client('SELECT COUNT(*) FROM `new one`.`alias`; SELECT COUNT(*) FROM `new one`.`across`')).toBe('3\n1\n')
    const [definition] = (
      await server.client("SELECT VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'new one' AND TABLE_NAME = 'alias'")
    ).split('\n')
    expect(definition).toBe('select `odd one`.`id` AS `id` from `new one`.`a` `odd one`')
    await server.client('SET foreign_key_checks = 0; DROP DATABASE `new one`')
  })
})
