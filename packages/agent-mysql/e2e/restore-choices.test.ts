import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { restoreOutcome } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runMysqlRestore } from '../src/restore/index.ts'
import { backUpToFolder, type FolderBackup, FolderFiles, resealed } from './folder-backup.ts'
import { shopSql } from './restore-fixture.ts'
import { planFor, type RestoreChoices, resolved, restoreAll } from './restore-round-trip.ts'
import { schemaText } from './schema-fingerprint.ts'

let server: ThrowawayMariadb
let folder: FolderBackup
let expected: string

beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client([], { input: shopSql })
  expected = await schemaText(server, 'shop')
  folder = await backUpToFolder(server, { users: false })
})

beforeEach(() =>
  server.client('DROP DATABASE IF EXISTS shop; DROP DATABASE IF EXISTS shop2; DROP DATABASE IF EXISTS backup_planet_restore'),
)

afterAll(async () => {
  await folder?.[Symbol.asyncDispose]()
  await server?.stop()
})

/** The backup with changed lines of `shop/objects.jsonl`, as long as the action takes. */
async function withObjects(change: (line: string) => string, action: (changed: FolderBackup) => Promise<void>): Promise<void> {
  const path = join(folder.directory, 'shop', 'objects.jsonl')
  const original = await readFile(path, 'utf8')
  const changed = original.split('\n').map(change).join('\n')
  expect(changed).not.toBe(original)
  try {
    await writeFile(path, changed)
    await action({ ...folder, backup: await resealed(folder.directory, folder.backup) })
  } finally {
    await writeFile(path, original)
  }
}

async function restored(changed: FolderBackup, choices: RestoreChoices = {}) {
  const plan = await planFor(server, changed, choices)
  const report = await runMysqlRestore(resolved(server), plan, new FolderFiles(changed.directory, changed.backup))
  return { plan, report }
}

const definers = `SELECT DISTINCT definer FROM (SELECT definer, table_schema AS place FROM information_schema.VIEWS
  UNION ALL SELECT definer, routine_schema FROM information_schema.ROUTINES
  UNION ALL SELECT definer, trigger_schema FROM information_schema.TRIGGERS
  UNION ALL SELECT definer, event_schema FROM information_schema.EVENTS) AS everything WHERE place = 'shop'`

describe('definers', () => {
  it('are stripped from everything, so that the account that restores becomes the definer', async () => {
    await server.client("CREATE OR REPLACE USER 'other'@'%' IDENTIFIED BY 'x'; GRANT ALL ON *.* TO 'other'@'%' WITH GRANT OPTION")
    const other = { ...server, port: server.port, host: server.host, user: 'other', rootPassword: 'x' } as unknown as ThrowawayMariadb
    const plan = await planFor(other, folder, { options: { stripDefiner: true } })
    const report = await runMysqlRestore(resolved(other), plan, new FolderFiles(folder.directory, folder.backup))
    expect(report.items[0]?.failure).toBeUndefined()
    expect(await server.client(definers)).toBe('other@%\n')
    const programs = `SELECT (SELECT COUNT(*) FROM information_schema.VIEWS WHERE table_schema = 'shop'), (SELECT COUNT(*) FROM information_schema.ROUTINES WHERE routine_schema = 'shop'),
      (SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE trigger_schema = 'shop'), (SELECT COUNT(*) FROM information_schema.EVENTS WHERE event_schema = 'shop')`
    expect(await server.client(programs)).toBe('2\t3\t2\t2\n')
  })

  it('are mapped in everything', async () => {
    await restoreAll(server, folder, { options: { definerMap: { 'root@127.0.0.1': 'root@localhost' } } })
    expect(await server.client(definers)).toBe('root@localhost\n')
  })

  it('stay as they were otherwise', async () => {
    await restoreAll(server, folder)
    expect(await server.client(definers)).toBe('root@127.0.0.1\n')
  })
})

describe('collations that the target does not know', () => {
  it('are replaced everywhere by those of collationMap', async () => {
    const asMysql = (line: string) => line.replaceAll('utf8mb4_unicode_ci', 'utf8mb4_0900_ai_ci')
    await withObjects(asMysql, async (changed) => {
      const { report: refused } = await restored(changed)
      expect(refused.items[0]?.failure).toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('utf8mb4_0900_ai_ci') })
      expect(await server.client("SHOW DATABASES LIKE 'shop'")).toBe('')
      await server.client('DROP DATABASE backup_planet_restore')
      await restoreAll(server, changed, { options: { collationMap: { utf8mb4_0900_ai_ci: 'utf8mb4_unicode_ci' } } })
      expect(await schemaText(server, 'shop')).toBe(expected)
    })
  })
})

describe('definitions that leave out what was the default collation of the source', () => {
  it('fail before any row goes in where the default of the target is another one', async () => {
    const leaveOut = (line: string) => (line.includes('"type":"table"') ? line.replaceAll(' COLLATE=utf8mb4_unicode_ci', '') : line)
    await withObjects(leaveOut, async (changed) => {
      const { report } = await restored(changed)
      expect(report.items[0]?.failure).toMatchObject({
        code: 'UNSUPPORTED',
        message: expect.stringMatching(
          /^column \w+ of table shop\.\w+ would have collation utf8mb4_general_ci instead of utf8mb4_unicode_ci$/,
        ),
      })
      expect(await server.client('SELECT COUNT(*) FROM shop.orders')).toBe('0\n')
    })
  })

  it('are completed for the schema itself', async () => {
    const leaveOut = (line: string) => (line.includes('"type":"schema"') ? line.replaceAll(' COLLATE utf8mb4_unicode_ci', '') : line)
    await withObjects(leaveOut, async (changed) => {
      await restoreAll(server, changed)
      expect(await schemaText(server, 'shop')).toBe(expected)
    })
  })
})

describe('tables that reach out of the target', () => {
  it('are left out by name with their triggers and rows, and everything else comes back', async () => {
    const outside = (line: string) =>
      line.includes('"type":"table","name":"orders"')
        ? line.replace(/ENGINE=InnoDB/, "ENGINE=CONNECT `TABLE_TYPE`='CSV' `FILE_NAME`='/etc/passwd'")
        : line
    await withObjects(outside, async (changed) => {
      const { plan, report } = await restored(changed)
      expect(report.items[0]?.failure).toBeUndefined()
      expect(report.problems.map(({ severity, message }) => [severity, message])).toEqual([
        [
          'error',
          'table shop.orders with its triggers on_insert, on_insert_too was left out: ENGINE=CONNECT reaches files, hosts or schemas beyond shop',
        ],
        ['error', expect.stringContaining('view shop.z_view was not created')],
        ['error', expect.stringContaining('view shop.a_view was not created')],
      ])
      expect(restoreOutcome(report, plan)).toBe('partial')
      expect(await server.client('SHOW TABLES FROM shop')).toBe('audit\ncounted\ncustomers\nempty_table\norder_numbers\n')
      await server.client('DROP DATABASE shop')
      // Once it is allowed, the server decides: this one has no such engine.
      const { report: allowed } = await restored(changed, { options: { externalTables: 'allow' } })
      expect(allowed.items[0]?.failure?.message).toMatch(/CONNECT/)
    })
  })

  it('are restored when that is allowed', async () => {
    await server.client(`CREATE DATABASE shop; CREATE DATABASE shop2; CREATE TABLE shop.part (a INT) ENGINE=MyISAM;
      CREATE TABLE shop2.whole (a INT) ENGINE=MERGE UNION=(shop.part) INSERT_METHOD=LAST; INSERT INTO shop.part VALUES (7)`)
    const before = await schemaText(server, 'shop2')
    await using merged = await backUpToFolder(server, { users: false }, ['shop', 'shop2'])
    await server.client('DROP DATABASE shop2; DROP DATABASE shop')
    const report = await restoreAll(server, merged)
    expect(report.problems).toMatchObject([{ severity: 'error', message: expect.stringContaining('shop2.whole was left out: UNION') }])
    expect(await server.client('SELECT a FROM shop.part')).toBe('7\n')
    await server.client('DROP DATABASE shop2; DROP DATABASE shop')
    expect((await restoreAll(server, merged, { options: { externalTables: 'allow' } })).problems).toEqual([])
    expect(await schemaText(server, 'shop2')).toBe(before)
  })

  it('come back in the data directory when they had a directory of their own', async () => {
    await server.client(`CREATE DATABASE shop2; CREATE TABLE shop2.placed (a INT) ENGINE=InnoDB DATA DIRECTORY='${server.directory}';
      INSERT INTO shop2.placed VALUES (7)`)
    await using placed = await backUpToFolder(server, { users: false }, ['shop2'])
    expect(await readFile(join(placed.directory, 'shop2', 'objects.jsonl'), 'utf8')).toContain('DATA DIRECTORY')
    await server.client('DROP DATABASE shop2')
    const report = await restoreAll(server, placed)
    expect(report.problems).toMatchObject([{ severity: 'warning', message: expect.stringContaining('DATA DIRECTORY') }])
    expect(await server.client('SHOW CREATE TABLE shop2.placed')).not.toContain('DIRECTORY')
    expect(await server.client('SELECT a FROM shop2.placed')).toBe('7\n')
  })
})

describe('a view that cannot be created', () => {
  const broken = (line: string) => line.replace('"type":"view","name":"a_view"', '"type":"view","broken":true,"name":"a_view"')
  const unmarked = (line: string) =>
    line.includes('"type":"view"') && line.includes('"name":"a_view"') ? line.replaceAll('`z_view`', '`gone_view`') : line

  it('is only a warning when the backup says that it was broken in the source', async () => {
    await withObjects(
      (line) => broken(unmarked(line)),
      async (changed) => {
        const { plan, report } = await restored(changed)
        expect(report.problems).toMatchObject([
          { severity: 'warning', item: 'shop', message: expect.stringContaining('view shop.a_view was broken in the source') },
        ])
        expect(restoreOutcome(report, plan)).toBe('done')
        expect(await server.client('SELECT COUNT(*) FROM shop.orders')).toBe('500\n')
      },
    )
  })

  it('makes the restore partial, and nothing else of it fail, without that mark', async () => {
    await withObjects(unmarked, async (changed) => {
      const { plan, report } = await restored(changed)
      expect(report.items[0]?.failure).toBeUndefined()
      expect(report.problems).toMatchObject([
        { severity: 'error', item: 'shop', message: expect.stringContaining('view shop.a_view was not created') },
      ])
      expect(restoreOutcome(report, plan)).toBe('partial')
      expect(await server.client("SHOW TABLES FROM shop LIKE '%view'")).toBe('z_view\n')
    })
  })
})

describe('a table that is not in the backup', () => {
  it('is an error of the plan with the nearest name', async () => {
    const plan = await planFor(server, folder, { options: { tables: ['shop.customers', 'shop.cstomers'] } })
    expect(plan.problems.filter(({ severity }) => severity === 'error')).toEqual([
      {
        severity: 'error',
        code: 'NOT_FOUND',
        item: 'shop',
        message: 'table shop.cstomers is not in the backup',
        hint: 'Did you mean "shop.customers"?',
      },
    ])
  })

  it('fails its schema untouched where the plan could not know the tables', async () => {
    const listed = { ...folder.backup, items: folder.backup.items.map(({ files: _, ...item }) => item) }
    const plan = await planFor(server, { ...folder, backup: listed }, { options: { tables: ['shop.customers', 'shop.cstomers'] } })
    expect(plan.problems.filter(({ severity }) => severity === 'error')).toEqual([])
    const report = await runMysqlRestore(resolved(server), plan, new FolderFiles(folder.directory, folder.backup))
    expect(report.items[0]?.failure).toMatchObject({ code: 'NOT_FOUND', hint: 'Did you mean "shop.customers"?' })
    expect(await server.client("SHOW DATABASES LIKE 'shop'")).toBe('')
  })

  it('is told for patterns and schemas that fit nothing, and not for those that fit something', async () => {
    const problems = async (...tables: string[]) =>
      (await planFor(server, folder, { options: { tables } })).problems
        .filter(({ severity }) => severity === 'error')
        .map((one) => one.message)
    expect(await problems('shop.nothing*')).toEqual(['table shop.nothing* is not in the backup'])
    expect(await problems('shpo.customers')).toEqual(['the backup holds no schema for table shpo.customers'])
    expect(await problems('shop.a_view')).toEqual(['table shop.a_view is not in the backup'])
    expect(await problems('sh*.cust*', 'shop.order_numbers')).toEqual([])
  })
})

describe('schemas named like those of the server', () => {
  it("come back beside the server's own, where names differ in case", async () => {
    await using other = await startThrowawayMariadb()
    await other.client(`CREATE DATABASE Sys; CREATE TABLE Sys.money (id INT PRIMARY KEY); INSERT INTO Sys.money VALUES (1);
      CREATE PROCEDURE Sys.p() SELECT 1; CREATE DATABASE MYSQL; CREATE TABLE MYSQL.t (a INT); INSERT INTO MYSQL.t VALUES (2)`)
    const before = [await schemaText(other, 'Sys'), await schemaText(other, 'MYSQL')]
    await using named = await backUpToFolder(other, { users: false }, ['Sys', 'MYSQL'])
    await other.client('DROP DATABASE Sys; DROP DATABASE MYSQL')
    const own = await other.client("SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'sys'")
    await restoreAll(other, named)
    expect([await schemaText(other, 'Sys'), await schemaText(other, 'MYSQL')]).toEqual(before)
    const again = await planFor(other, named, { overwrite: true })
    expect(Object.fromEntries(again.items.map((item) => [item.item, item.overwrites]))).toEqual({
      MYSQL: ['table t'],
      Sys: ['procedure p', 'table money'],
    })
    await restoreAll(other, named, { overwrite: true })
    expect([await schemaText(other, 'Sys'), await schemaText(other, 'MYSQL')]).toEqual(before)
    await other.client('DROP DATABASE Sys')
    expect(await other.client("SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'sys'")).toBe(own)
    for (const name of ['mysql', 'sys', 'information_schema', 'INFORMATION_SCHEMA', 'backup_planet_restore']) {
      const plan = await planFor(other, named, { items: ['Sys'], rename: { Sys: name } })
      expect(
        plan.problems.map((problem) => problem.code),
        name,
      ).toContain('INVALID_INPUT')
    }
  })
})
