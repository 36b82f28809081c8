import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runMysqlRestore } from '../src/restore/index.ts'
import { backUpToFolder, type FolderBackup, FolderFiles, resealed } from './folder-backup.ts'
import { shopSql } from './restore-fixture.ts'
import { planFor, resolved, restoreAll } from './restore-round-trip.ts'
import { accountsText, schemaText } from './schema-fingerprint.ts'

let server: ThrowawayMariadb
let folder: FolderBackup
let expected: string
let accounts: string

beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client([], { input: shopSql })
  await server.client(`
    CREATE ROLE reader; GRANT SELECT ON shop.* TO reader;
    CREATE USER 'app'@'%' IDENTIFIED BY 'secret'; GRANT reader TO 'app'@'%'; SET DEFAULT ROLE reader FOR 'app'@'%';
    GRANT INSERT, UPDATE (name) ON shop.customers TO 'app'@'%'; GRANT EXECUTE ON PROCEDURE shop.old_client TO 'app'@'%'`)
  expected = await schemaText(server, 'shop')
  accounts = await accountsText(server)
  folder = await backUpToFolder(server)
})

beforeEach(async () => {
  await server.client(
    "DROP DATABASE IF EXISTS shop; DROP DATABASE IF EXISTS backup_planet_restore; DROP USER IF EXISTS 'app'@'%'; DROP ROLE IF EXISTS reader",
  )
})

afterEach(() => server.client('DROP DATABASE IF EXISTS shop2; SET GLOBAL local_infile = 1'))

afterAll(async () => {
  await folder?.[Symbol.asyncDispose]()
  await server?.stop()
})

const refusal = (code: string) => expect.objectContaining({ name: 'BackupError', code })
const files = () => new FolderFiles(folder.directory, folder.backup)

describe('a restore', () => {
  it('brings schema and accounts back as they were, and reports what it compared', async () => {
    const report = await restoreAll(server, folder)
    expect(await schemaText(server, 'shop')).toBe(expected)
    expect(await accountsText(server)).toBe(accounts)
    const shop = report.items.find((item) => item.item === 'shop')
    expect(shop?.checks.map((check) => [check.name, check.expected, check.passed])).toEqual(
      expect.arrayContaining([
        ['rows of orders', '500', true],
        ['rows of audit', '300', true],
        ['checksum of customers', expect.stringMatching(/^\d+$/), true],
        ['rows of empty_table', '0', true],
      ]),
    )
    expect(await server.client('SELECT NEXTVAL(shop.order_numbers) > 1000')).toBe('1\n')
  })

  it('is the same without local_infile', async () => {
    await server.client('SET GLOBAL local_infile = 0')
    const plan = await planFor(server, folder)
    expect(plan.problems.map((problem) => [problem.severity, problem.message])).toContainEqual([
      'warning',
      expect.stringContaining('local_infile'),
    ])
    await restoreAll(server, folder)
    expect(await schemaText(server, 'shop')).toBe(expected)
  })

  it('is the same with keys in place, over one connection, out of the binlog and with relaxed commits', async () => {
    const position = await server.client('SHOW MASTER STATUS')
    await restoreAll(server, folder, {
      items: ['shop'],
      options: { deferIndexes: false, threads: 1, binlog: false, relaxedCommits: true, verify: 'rows' },
    })
    expect(await server.client('SHOW MASTER STATUS')).toBe(position)
    expect(await server.client('SELECT @@GLOBAL.innodb_flush_log_at_trx_commit, @@GLOBAL.sync_binlog')).toBe('2\t0\n')
    expect(await schemaText(server, 'shop')).toBe(expected)
  })

  it('comes under another name beside the first', async () => {
    await restoreAll(server, folder, { items: ['shop'] })
    const report = await restoreAll(server, folder, { items: ['shop'], rename: { shop: 'shop2' } })
    const renamed = (await schemaText(server, 'shop2')).replaceAll('`shop2`', '`shop`')
    expect(renamed).toBe(expected)
    await server.client('DROP DATABASE shop')
    expect(await server.client('SELECT COUNT(*) FROM shop2.a_view')).toMatch(/^4\d\d\n$/)
    expect(report.problems).toEqual([])
  })

  it('restores only the tables asked for', async () => {
    await restoreAll(server, folder, { options: { tables: ['shop.cust*', 'shop.audit'] } })
    expect(await server.client('SHOW TABLES FROM shop')).toBe('audit\ncustomers\n')
    await server.client('DELETE FROM shop.customers; CREATE TABLE shop.other (a INT)')
    const plan = await planFor(server, folder, { overwrite: true, options: { tables: ['shop.customers'] } })
    expect(plan.items).toMatchObject([{ item: 'shop', overwrites: ['customers'] }])
    await restoreAll(server, folder, { overwrite: true, options: { tables: ['shop.customers'] } })
    expect(await server.client('SHOW TABLES FROM shop')).toBe('audit\ncustomers\nother\n')
    expect(await server.client('SELECT COUNT(*) FROM shop.customers')).toBe('4\n')
  })

  it('makes another server a copy, with its GTID position', async () => {
    await using other = await startThrowawayMariadb({ serverOptions: ['--server-id=2'] })
    await restoreAll(other, folder, { options: { restoreGtid: true, binlog: false } })
    expect(await schemaText(other, 'shop')).toBe(expected)
    expect(await other.client('SELECT @@GLOBAL.gtid_slave_pos')).toBe(`${folder.backup.position?.value.gtid}\n`)
  })

  it('strips or maps definers', async () => {
    await restoreAll(server, folder, { items: ['shop'], options: { definerMap: { 'root@127.0.0.1': 'root@localhost' } } })
    expect(await server.client("SELECT DISTINCT definer FROM information_schema.views WHERE table_schema = 'shop'")).toBe(
      'root@localhost\n',
    )
  })

  it('keeps no more files than it has connections', async () => {
    const plan = await planFor(server, folder, { options: { threads: 2 } })
    const held = files()
    await runMysqlRestore(resolved(server), plan, held)
    expect(held.held).toBe(0)
    expect(held.mostHeld).toBeLessThanOrEqual(2)
  })
})

describe('a plan', () => {
  it('changes nothing, names what would be dropped, and refuses to overwrite unasked', async () => {
    await server.client('CREATE DATABASE shop; CREATE TABLE shop.mine (a INT); INSERT INTO shop.mine VALUES (1)')
    const refused = await planFor(server, folder)
    expect(refused.problems).toContainEqual(
      expect.objectContaining({ severity: 'error', code: 'ALREADY_EXISTS', message: expect.stringContaining('table mine') }),
    )
    await expect(runMysqlRestore(resolved(server), refused, files())).rejects.toEqual(refusal('ALREADY_EXISTS'))
    expect(await server.client('SELECT a FROM shop.mine')).toBe('1\n')
    const allowed = await planFor(server, folder, { overwrite: true })
    expect(allowed.items.find((item) => item.item === 'shop')?.overwrites).toEqual(['table mine'])
    expect(allowed.steps.map((step) => step.text)).toContainEqual(expect.stringContaining('drop schema shop'))
    await restoreAll(server, folder, { overwrite: true })
    expect(await schemaText(server, 'shop')).toBe(expected)
  })

  it('refuses names of the server itself, names that meet, and unknown items and options', async () => {
    const problems = async (rename: Record<string, string>, items?: string[]) =>
      (await planFor(server, folder, { rename, ...(items === undefined ? {} : { items }) })).problems.map((problem) => problem.code)
    expect(await problems({ shop: 'mysql' })).toContain('INVALID_INPUT')
    expect(await problems({ shop: 'backup_planet_restore' })).toContain('INVALID_INPUT')
    expect(await problems({ shop: '' })).toContain('INVALID_INPUT')
    expect(await problems({ nothing: 'x' })).toContain('INVALID_INPUT')
    expect(await problems({}, ['nothing'])).toContain('NOT_FOUND')
    await expect(planFor(server, folder, { options: { thread: 3 } })).rejects.toThrow(/did you mean "threads"/)
    await expect(planFor(server, folder, { options: { tables: ['customers'] } })).rejects.toEqual(refusal('INVALID_SETTINGS'))
  })

  it('refuses a server that folds names otherwise, and accounts of another kind of server', async () => {
    const other: FolderBackup = {
      ...folder,
      backup: { ...folder.backup, facts: { ...folder.backup.facts, lowerCaseTableNames: 1, flavour: 'mysql' } },
    }
    const plan = await planFor(server, other)
    expect(plan.problems.filter((problem) => problem.severity === 'error').map((problem) => problem.message)).toEqual([
      expect.stringContaining('lower_case_table_names is 1'),
      expect.stringContaining('accounts of mysql'),
    ])
  })

  it('refuses collations that the target does not know, and takes those that it is told instead', async () => {
    const used = folder.backup.items.find(({ item }) => item === 'shop')?.facts.collations
    expect(used).toEqual(['latin1_german1_ci', 'latin1_swedish_ci', 'utf8mb4_general_ci', 'utf8mb4_unicode_ci'])
    const items = folder.backup.items.map((item) => ({
      ...item,
      facts: { ...item.facts, collations: [...(used as string[]), 'utf8mb4_0900_ai_ci'] },
    }))
    const other: FolderBackup = { ...folder, backup: { ...folder.backup, items } }
    const problems = async (collationMap: Record<string, string>) =>
      (await planFor(server, other, { items: ['shop'], options: { collationMap } })).problems.filter(
        (problem) => problem.code === 'UNSUPPORTED' && problem.severity === 'error',
      )
    expect(await problems({})).toMatchObject([{ item: 'shop', message: 'the target does not know utf8mb4_0900_ai_ci, which shop uses' }])
    expect(await problems({ utf8mb4_0900_ai_ci: 'nonsense_ci' })).toHaveLength(1)
    expect(await problems({ utf8mb4_0900_ai_ci: 'utf8mb4_unicode_ci' })).toEqual([])
  })

  it('names the missing rights and the GRANT that gives them', async () => {
    await server.client("CREATE USER 'weak'@'127.0.0.1' IDENTIFIED BY 'x'; GRANT SELECT ON *.* TO 'weak'@'127.0.0.1'")
    try {
      const weak = { ...server, port: server.port, host: server.host, user: 'weak', rootPassword: 'x' } as unknown as ThrowawayMariadb
      const plan = await planFor(weak, folder, { items: ['shop'] })
      expect(plan.problems).toContainEqual(
        expect.objectContaining({
          severity: 'error',
          code: 'ACCESS_DENIED',
          hint: expect.stringMatching(/GRANT INSERT, .* TO 'weak'@'127\.0\.0\.1'/),
        }),
      )
    } finally {
      await server.client("DROP USER 'weak'@'127.0.0.1'")
    }
  })

  it('counts the rights of a role that is active at login, and of the roles in it, and no others', async () => {
    await server.client(`CREATE ROLE inner_role; CREATE ROLE outer_role; GRANT ALL ON *.* TO inner_role; GRANT inner_role TO outer_role;
      CREATE USER 'weak'@'127.0.0.1' IDENTIFIED BY 'x'; GRANT outer_role TO 'weak'@'127.0.0.1'`)
    try {
      const weak = { ...server, port: server.port, host: server.host, user: 'weak', rootPassword: 'x' } as unknown as ThrowawayMariadb
      const lacking = async () =>
        (await planFor(weak, folder, { items: ['shop'] })).problems.filter((problem) => problem.code === 'ACCESS_DENIED')
      expect(await lacking()).toMatchObject([{ severity: 'error', hint: expect.stringContaining('SET DEFAULT ROLE') }])
      await server.client("SET DEFAULT ROLE outer_role FOR 'weak'@'127.0.0.1'")
      expect(await lacking()).toEqual([])
      const plan = await planFor(weak, folder, { items: ['shop'], options: { stripDefiner: true, tables: ['shop.counted'] } })
      expect((await runMysqlRestore(resolved(weak), plan, files())).items[0]?.failure).toBeUndefined()
    } finally {
      await server.client("DROP USER 'weak'@'127.0.0.1'; DROP ROLE inner_role; DROP ROLE outer_role")
    }
  })

  it('does not fit a target that has changed since', async () => {
    const plan = await planFor(server, folder)
    await server.client('CREATE DATABASE shop; CREATE TABLE shop.precious (a INT)')
    await expect(runMysqlRestore(resolved(server), plan, files())).rejects.toEqual(refusal('CONFLICT'))
    expect(await server.client('SHOW TABLES FROM shop')).toBe('precious\n')
  })
})

describe('accounts', () => {
  it('are skipped, refused or replaced when they exist, and never the own one', async () => {
    await server.client("CREATE USER 'app'@'%' IDENTIFIED BY 'other'")
    const skipped = await restoreAll(server, folder, { items: ['mysql'] })
    expect(skipped.problems).toContainEqual(expect.objectContaining({ code: 'ALREADY_EXISTS', message: expect.stringContaining('app@%') }))
    await expect(restoreAll(server, folder, { items: ['mysql'], options: { users: 'create' } })).rejects.toThrow()
    await server.client('DROP DATABASE backup_planet_restore')
    await restoreAll(server, folder, { options: { users: 'replace' } })
    expect(await accountsText(server)).toBe(accounts)
    expect(await server.client('SELECT CURRENT_USER()')).toBe('root@127.0.0.1\n')
  })
})

describe('hostile or damaged backups', () => {
  const tampered = async (change: (lines: string[]) => string[]) => {
    const path = join(folder.directory, 'shop', 'objects.jsonl')
    const original = await readFile(path, 'utf8')
    await writeFile(path, change(original.split('\n')).join('\n'))
    return { backup: await resealed(folder.directory, folder.backup), restoreFile: () => writeFile(path, original) }
  }

  it.each([
    ['another statement', (line: string) => line.replace('CREATE TABLE `customers`', 'DROP TABLE mysql.user; CREATE TABLE `customers`')],
    ['a table of another schema', (line: string) => line.replace('CREATE TABLE `customers`', 'CREATE TABLE `mysql`.`customers`')],
    ['an unknown field', (line: string) => line.replace('"type":"table"', '"type":"table","extra":1')],
    [
      'a library',
      (line: string) =>
        line.includes('"double_it"') ? line.replace(/RETURNS .*?","context"/, 'RETURNS INTEGER SONAME \'x.so\'","context"') : line,
    ],
    ['an SQL mode that ends its quotes', (line: string) => line.replace('"sqlMode":"', '"sqlMode":"\', @@GLOBAL.x = 1 -- ')],
  ])('%s: the item fails untouched, the other goes on', async (_, change) => {
    const { backup, restoreFile } = await tampered((lines) => lines.map(change))
    try {
      const plan = await planFor(server, { ...folder, backup })
      const report = await runMysqlRestore(resolved(server), plan, new FolderFiles(folder.directory, backup))
      const failures = Object.fromEntries(report.items.map((item) => [item.item, item.failure?.code]))
      expect(failures).toEqual({ mysql: undefined, shop: 'CORRUPTED' })
      expect(await server.client("SHOW DATABASES LIKE 'shop'")).toBe('')
      expect(await server.client('SELECT COUNT(*) > 0 FROM mysql.user')).toBe('1\n')
    } finally {
      await restoreFile()
    }
  })

  it('rows that are not what was recorded leave nothing of their file behind', async () => {
    const chunk = folder.backup.items.find((item) => item.item === 'shop')?.files?.find((file) => /orders\.\d+\.dat\.zst$/.test(file.name))
    const path = join(folder.directory, 'shop', chunk?.name ?? '')
    const original = await readFile(path)
    const text = zstdDecompressSync(original)
    await writeFile(path, zstdCompressSync(Buffer.concat([text, text.subarray(0, text.indexOf('\n') + 1)])))
    try {
      const plan = await planFor(server, folder, { items: ['shop'] })
      const report = await runMysqlRestore(resolved(server), plan, files())
      // Reading ends there: a small file may decompress to any number of bytes.
      expect(report.items[0]?.failure).toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining('holds more than the ') })
      expect(await server.client('SELECT COUNT(*) FROM shop.orders')).toBe('0\n')
      await writeFile(path, original)
      // The same plan goes on once the file is whole again.
      expect((await runMysqlRestore(resolved(server), plan, files())).items[0]?.failure).toBeUndefined()
      expect(await schemaText(server, 'shop')).toBe(expected)
    } finally {
      await writeFile(path, original)
    }
  })
})
