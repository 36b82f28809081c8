import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createMysqlAgent } from '../../src/index.ts'
import { runMysqlRestore } from '../../src/restore/index.ts'
import { settingsFor } from '../capture-fixture.ts'
import { backUpToFolder, type FolderBackup, FolderFiles } from '../folder-backup.ts'
import { planFor, type RestoreChoices, resolved } from '../restore-round-trip.ts'
import { type AnyServer, anyServer, emptyAnyServer, schemaState } from './any-server.ts'

let server: AnyServer
beforeAll(async () => {
  server = await anyServer()
})
afterAll(() => server?.[Symbol.asyncDispose]())
beforeEach(() => emptyAnyServer(server))

async function restored(folder: FolderBackup, choices: RestoreChoices = {}): Promise<void> {
  const plan = await planFor(server, folder, choices)
  expect(plan.problems.filter(({ severity }) => severity === 'error')).toEqual([])
  const report = await runMysqlRestore(resolved(server), plan, new FolderFiles(folder.directory, folder.backup))
  expect(report.items.flatMap((item) => item.failure ?? [])).toEqual([])
  expect(report.items.flatMap((item) => item.checks.filter((check) => !check.passed))).toEqual([])
}

const typed = [
  "CREATE TABLE typed (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, i TINYINT, d DECIMAL(30,10), f FLOAT, g DOUBLE, b BIT(9), c CHAR(5) CHARACTER SET latin1, v VARCHAR(50) CHARACTER SET utf8mb4, t TEXT CHARACTER SET utf8mb4, x BLOB, y VARBINARY(20), da DATE, ti TIME(6), dt DATETIME(6), ts TIMESTAMP(3) NULL, ye YEAR, e ENUM('a', 'b;', ''), s SET('x', 'y'), j JSON, p POINT, made INT AS (i + 1) STORED, seen INT AS (i + 2) VIRTUAL, KEY (i), KEY made_key (made)) ENGINE=InnoDB",
  "INSERT INTO typed (id, i, d, f, g, b, c, v, t, x, y, da, ti, dt, ts, ye, e, s, j, p) VALUES (18446744073709551614, -128, -12345678901234567890.0123456789, 16777217.25, 1.7976931348623157e308, b'101010101', 'ß', '漢字 😀', 'tab\\there\\nnew \\\\ line', x'00ff0a0d271a5c', x'', '9999-12-31', '-838:59:59.000000', '1000-01-01 00:00:00.000001', '2038-01-19 03:14:07.999', 2155, 'b;', 'x,y', '{\"a\": [1, null, \"é\"]}', ST_GeomFromText('POINT(1 2)'))",
  'INSERT INTO typed (id) VALUES (1)',
  "INSERT INTO typed (id, i, e, s, v, t, x) VALUES (2, 0, '', '', '', '', '')",
]

const objects = [
  'CREATE TABLE parent (id INT NOT NULL PRIMARY KEY, name VARCHAR(50), CHECK (id > 0)) ENGINE=InnoDB',
  'CREATE TABLE child (id INT NOT NULL PRIMARY KEY, parent INT, CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE) ENGINE=InnoDB',
  'CREATE TABLE old_engine (line TEXT) ENGINE=MyISAM',
  'CREATE TABLE parted (id INT NOT NULL PRIMARY KEY, a INT) ENGINE=InnoDB PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (10), PARTITION high VALUES LESS THAN MAXVALUE)',
  "INSERT INTO parent VALUES (1, 'one'), (2, 'two')",
  'INSERT INTO child VALUES (1, 1), (2, NULL)',
  "INSERT INTO old_engine VALUES ('a'), ('b')",
  'INSERT INTO parted VALUES (1, 1), (10, 2)',
  'CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2',
  "CREATE PROCEDURE `odd ; name`() BEGIN SELECT ';'; SELECT 'ü'; END",
  'CREATE VIEW z_view AS SELECT id, twice(id) AS doubled FROM parent',
  'CREATE VIEW a_view AS SELECT * FROM z_view WHERE id > 1',
  "CREATE TRIGGER first_one AFTER INSERT ON parent FOR EACH ROW INSERT INTO old_engine VALUES (CONCAT('parent ', NEW.id))",
  "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2031-01-01 03:00:00' ON COMPLETION PRESERVE DISABLE DO DELETE FROM old_engine",
]

describe('a round trip on this server', () => {
  it.each([
    ['every type', typed],
    ['every object', objects],
  ])('%s comes back as it was', async (_, statements) => {
    await server.run('CREATE DATABASE odd_one CHARACTER SET utf8mb4', 'USE odd_one', ...statements)
    const before = await schemaState(server, 'odd_one')
    await using folder = await backUpToFolder(server, { users: false })
    expect(folder.backup.status).toBe('complete')
    await server.run('DROP DATABASE odd_one')
    await restored(folder)
    expect(await schemaState(server, 'odd_one')).toEqual(before)
  })

  it('under another name, beside the one that is there', async () => {
    await server.run('CREATE DATABASE shop', 'USE shop', ...objects.slice(0, 8))
    await using folder = await backUpToFolder(server, { users: false })
    await restored(folder, { rename: { shop: 'copy_of_shop' } })
    expect(await schemaState(server, 'copy_of_shop')).toEqual(await schemaState(server, 'shop'))
  })

  it('accounts, a role and what they may do', async () => {
    await server.run('CREATE DATABASE shop')
    const drop = ["DROP USER IF EXISTS 'app'@'%'", "DROP ROLE IF EXISTS 'readers'"]
    await server.run(
      ...drop,
      "CREATE USER 'app'@'%' IDENTIFIED BY 'a secret of this test'",
      "CREATE ROLE 'readers'",
      "GRANT SELECT ON shop.* TO 'readers'",
    )
    await server.run("GRANT 'readers' TO 'app'@'%'", "GRANT INSERT, UPDATE ON shop.* TO 'app'@'%'")
    const state = async () => {
      const created = await server.rows("SHOW CREATE USER 'app'@'%'")
      return [...created, ...(await server.rows("SHOW GRANTS FOR 'app'@'%'")), ...(await server.rows("SHOW GRANTS FOR 'readers'"))].map(
        ([line]) => line,
      )
    }
    // MySQL prints the hash of caching_sha2_password as bytes, unless it is asked not to.
    if (!server.isMariadb) await server.run('SET SESSION print_identified_with_as_hex = ON')
    const before = await state()
    await using folder = await backUpToFolder(server)
    await server.run(...drop)
    await restored(folder, { items: ['mysql'] })
    expect(await state()).toEqual(before)
    await server.run(...drop)
  })

  it('its check finds nothing against root', async () => {
    await server.run('CREATE DATABASE shop')
    const agent = createMysqlAgent(settingsFor(server))
    const problems = await agent.check({ job: 'test', kind: 'full', chain: [] })
    expect(problems.filter(({ severity }) => severity === 'error')).toEqual([])
  })
})
