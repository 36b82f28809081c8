import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runMysqlRestore } from '../src/restore/index.ts'
import { backUpToFolder, type FolderBackup, FolderFiles, resealed } from './folder-backup.ts'
import { planFor, resolved, restoreAll } from './restore-round-trip.ts'

let server: ThrowawayMariadb
let folder: FolderBackup

beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server
    .client(`CREATE DATABASE shop; CREATE TABLE shop.t (a INT);
    CREATE USER 'app'@'%' IDENTIFIED BY 'secret' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 7; GRANT SELECT ON *.* TO 'app'@'%' WITH GRANT OPTION;
    CREATE USER 'lapsed'@'%' IDENTIFIED BY 'x' PASSWORD EXPIRE INTERVAL 120 DAY; ALTER USER 'lapsed'@'%' PASSWORD EXPIRE;
    CREATE USER 'two'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('x') OR unix_socket; GRANT SELECT ON shop.* TO 'two'@'%';
    GRANT SELECT ON shop.t TO PUBLIC`)
    .catch(async () => {
      // The plugin ed25519 is not part of every build.
      await server.client(`CREATE USER 'two'@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('x') OR unix_socket;
      GRANT SELECT ON shop.* TO 'two'@'%'; GRANT SELECT ON shop.t TO PUBLIC`)
    })
  folder = await backUpToFolder(server, { systemUsers: true })
})

beforeEach(() =>
  server.client(
    "DROP DATABASE IF EXISTS shop; DROP DATABASE IF EXISTS backup_planet_restore; DROP USER IF EXISTS 'app'@'%', 'two'@'%', 'lapsed'@'%'; REVOKE ALL PRIVILEGES, GRANT OPTION FROM PUBLIC",
  ),
)

afterAll(async () => {
  await folder?.[Symbol.asyncDispose]()
  await server?.stop()
})

const rightsOf = async (account: string) => await server.client(`SHOW GRANTS FOR ${account}`)

/** The backup with other grants of one account, as long as the action takes. */
async function withGrants(user: string, grants: readonly string[], action: (changed: FolderBackup) => Promise<void>): Promise<void> {
  const path = join(folder.directory, 'mysql', 'objects.jsonl')
  const original = await readFile(path, 'utf8')
  const changed = original.split('\n').map((line) => {
    if (line === '') return line
    const account = JSON.parse(line) as { readonly user: string }
    return JSON.stringify(account.user === user ? { ...account, grants } : account)
  })
  expect(changed.join('\n')).not.toBe(original)
  try {
    await writeFile(path, changed.join('\n'))
    await action({ ...folder, backup: await resealed(folder.directory, folder.backup) })
  } finally {
    await writeFile(path, original)
  }
}

describe('accounts of a whole server', () => {
  it('come back with passwords, limits and rights; what everybody may do and the own accounts stay as they are', async () => {
    const root = await rightsOf("'root'@'localhost'")
    const report = await restoreAll(server, folder)
    expect(await rightsOf("'app'@'%'")).toMatch(
      /GRANT SELECT ON \*\.\* TO `app`@`%` IDENTIFIED BY PASSWORD '\*.*REQUIRE SSL WITH GRANT OPTION MAX_QUERIES_PER_HOUR 7/,
    )
    expect(await rightsOf("'two'@'%'")).toContain('OR unix_socket')
    const [created, altered] = (await server.client("SHOW CREATE USER 'lapsed'@'%'")).split('\n')
    expect(created).toMatch(/PASSWORD EXPIRE$/)
    expect(altered).toMatch(/PASSWORD EXPIRE INTERVAL 120 DAY$/)
    expect(await rightsOf("'root'@'localhost'")).toBe(root)
    expect(await rightsOf('PUBLIC')).not.toContain('shop')
    expect(report.problems.map((problem) => problem.message)).toEqual(
      expect.arrayContaining([expect.stringContaining('account PUBLIC@ exists'), expect.stringContaining('account root@localhost exists')]),
    )
  })

  it('give everybody the rights of the backup when accounts are to be replaced', async () => {
    const root = await rightsOf("'root'@'localhost'")
    await withGrants('PUBLIC', ['GRANT INSERT ON `shop`.`t` TO PUBLIC'], async (changed) => {
      await restoreAll(server, changed, { options: { users: 'replace' } })
    })
    expect(await rightsOf('PUBLIC')).toContain('GRANT INSERT ON `shop`.`t` TO PUBLIC')
    expect(await rightsOf("'root'@'localhost'")).toBe(root)
  })

  it.each([
    ['another account', "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` IDENTIFIED BY 'evil' WITH GRANT OPTION"],
    ['everybody', 'GRANT ALL PRIVILEGES ON *.* TO PUBLIC'],
    [
      'another account behind the right one',
      "GRANT ALL PRIVILEGES ON *.* TO `app`@`%`, `guest`@`%` IDENTIFIED BY PASSWORD '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19'",
    ],
  ])('a line of one account that grants to %s: nothing of the accounts is restored, the schema is', async (_, hostile) => {
    const root = await rightsOf("'root'@'localhost'")
    await withGrants('app', [hostile], async (changed) => {
      const plan = await planFor(server, changed)
      const report = await runMysqlRestore(resolved(server), plan, new FolderFiles(changed.directory, changed.backup))
      expect(Object.fromEntries(report.items.map((item) => [item.item, item.failure?.code]))).toEqual({
        mysql: 'CORRUPTED',
        shop: undefined,
      })
    })
    expect(await rightsOf("'root'@'localhost'")).toBe(root)
    expect(await rightsOf('PUBLIC')).not.toContain('ALL PRIVILEGES')
    expect(await server.client("SELECT COUNT(*) FROM mysql.user WHERE user IN ('app', 'two', 'guest')")).toBe('0\n')
  })
})
