import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { connect } from '../src/mysql-connection.ts'
import { runMysqlRestore } from '../src/restore/index.ts'
import { backUpToFolder, type FolderBackup, FolderFiles } from './folder-backup.ts'
import { planFor, resolved, restoreAll } from './restore-round-trip.ts'

const programs = 400
const defaults = "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'col'"
const stored = "SELECT DATABASE_COLLATION, COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'col' GROUP BY 1"

let server: ThrowawayMariadb
let folder: FolderBackup
let expected: string

beforeAll(async () => {
  server = await startThrowawayMariadb()
  // The first half of the programs was made under one default collation of the schema, the second under another.
  const create = (number: number) => `CREATE PROCEDURE p${String(number).padStart(4, '0')}() SELECT ${number};`
  const all = Array.from({ length: programs }, (_, number) => create(number))
  await server.client([], {
    input: `CREATE DATABASE col COLLATE utf8mb4_general_ci; USE col; CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9));
      CREATE TABLE plain (id INT PRIMARY KEY); INSERT INTO plain VALUES (1);
      CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 'x';
      ${all.slice(0, programs / 2).join('\n')} ALTER DATABASE col COLLATE utf8mb4_unicode_ci;
      ${all.slice(programs / 2).join('\n')} ALTER DATABASE col COLLATE utf8mb4_general_ci;`,
  })
  expected = await server.client(stored)
  folder = await backUpToFolder(server, { users: false }, ['col'])
})

beforeEach(() => server.client('DROP DATABASE IF EXISTS col; DROP DATABASE IF EXISTS backup_planet_restore'))

afterAll(async () => {
  await folder?.[Symbol.asyncDispose]()
  await server?.stop()
})

const files = () => new FolderFiles(folder.directory, folder.backup)

describe('default collations of schema and programs', () => {
  it('come back when the restore was aborted while programs were created under another collation', async () => {
    expect(expected).toBe(`utf8mb4_general_ci\t${programs / 2}\nutf8mb4_unicode_ci\t${programs / 2}\n`)
    const plan = await planFor(server, folder)
    const cut = new AbortController()
    const run = runMysqlRestore(resolved(server), plan, files(), { signal: cut.signal })
    const outcome = run.then(
      () => 'ended',
      (error: { readonly code?: string }) => error.code,
    )
    await using watch = await connect(resolved(server))
    const reached = async () => (await watch.rows(defaults))[0]?.at(0) === 'utf8mb4_unicode_ci'
    for (const deadline = Date.now() + 60_000; !(await reached()); ) expect(Date.now(), 'the second half is reached').toBeLessThan(deadline)
    cut.abort()
    expect(await outcome).toBe('ABORTED')
    const report = await runMysqlRestore(resolved(server), await planFor(server, folder), files())
    expect(report.items[0]?.failure).toBeUndefined()
    expect(await server.client(stored)).toBe(expected)
    expect(await server.client(defaults)).toBe('utf8mb4_general_ci\n')
  })

  it('that somebody changes meanwhile fail the schema by name, and the same plan ends once they are set back', async () => {
    const plan = await planFor(server, folder, { options: { tables: ['col.plain'] } })
    const interfering = files()
    interfering.onFile = async (file) => {
      if (/plain\.\d+\.dat\.zst$/.test(file.name)) await server.client('ALTER DATABASE col COLLATE utf8mb4_bin')
    }
    const report = await runMysqlRestore(resolved(server), plan, interfering)
    expect(report.items[0]?.failure).toMatchObject({
      code: 'INCONSISTENT',
      message: 'the default collation of schema col is utf8mb4_bin, not utf8mb4_general_ci',
      hint: expect.stringContaining('ALTER DATABASE `col` COLLATE utf8mb4_general_ci'),
    })
    await server.client('ALTER DATABASE col COLLATE utf8mb4_general_ci')
    expect((await runMysqlRestore(resolved(server), plan, files())).items[0]?.failure).toBeUndefined()
  })

  it('of a schema that tables are only added to stay its own', async () => {
    await server.client('CREATE DATABASE col COLLATE utf8mb4_bin; CREATE TABLE col.mine (a INT)')
    await restoreAll(server, folder, { options: { tables: ['col.t'] } })
    expect(await server.client(defaults)).toBe('utf8mb4_bin\n')
    expect(await server.client("SELECT DATABASE_COLLATION FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'col'")).toBe(
      'utf8mb4_general_ci\n',
    )
  })
})
