import { readFile } from 'node:fs/promises'
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

test('an ENUM tells its empty member from a value that is none, in every way of loading', async () => {
  await source.client(`CREATE DATABASE empties; USE empties; SET sql_mode = '';
    CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, e ENUM('a', '', 'b'), f ENUM('a', 'b'), n INT AS (IF(f = 'a', 1, 2)) STORED);
    INSERT INTO t (e, f) VALUES ('a', 'a'), ('', 'b'), ('no member', 'no member'), (NULL, NULL), ('b', 'a'), (2, 1);`)
  const sql = 'SELECT id, e, e+0, f, f+0, n FROM empties.t ORDER BY id'
  const wanted = await source.client(sql)
  expect(wanted).toContain('2\t\t2\t')
  expect(wanted).toContain('3\t\t0\t')
  await using folder = await backUpToFolder(source, { users: false }, ['empties'])
  await restoreAll(target, folder)
  expect(await target.client(sql)).toBe(wanted)
  await target.client('SET GLOBAL local_infile = 0')
  try {
    await restoreAll(target, folder, { overwrite: true })
  } finally {
    await target.client('SET GLOBAL local_infile = 1')
  }
  expect(await target.client(sql), 'by INSERT').toBe(wanted)
  await using dumped = await dump(agentFor(source, { users: false }), { items: ['empties'] })
  await restoreByHand(dumped, 'empties', byHand)
  expect(await byHand.client(sql), 'by hand').toBe(wanted)
})

test('what everybody may do is captured', async () => {
  await source.client(
    'CREATE DATABASE open; CREATE TABLE open.t (id INT PRIMARY KEY); GRANT SELECT ON open.* TO PUBLIC; GRANT UPDATE ON open.t TO PUBLIC',
  )
  const grants = await source.client('SHOW GRANTS FOR PUBLIC')
  expect(grants.split('\n')).toHaveLength(3)
  await using folder = await backUpToFolder(source, {}, ['open', 'mysql'])
  await restoreAll(target, folder, { options: { users: 'replace' } })
  expect(await target.client('SHOW GRANTS FOR PUBLIC')).toBe(grants)
  const sql = await readFile(join(folder.directory, 'mysql', 'users.sql'), 'utf8')
  expect(sql).not.toContain('CREATE ROLE')
  await byHand.client('CREATE DATABASE open; CREATE TABLE open.t (id INT PRIMARY KEY)')
  await byHand.client(
    sql
      .split('\n')
      .filter((line) => !line.includes('`root`'))
      .join('\n'),
  )
  expect(await byHand.client('SHOW GRANTS FOR PUBLIC')).toBe(grants)
})
