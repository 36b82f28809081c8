import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { startThrowawayMariadb } from '../servers/throwaway-mariadb.ts'
import { differences, fingerprintServer } from './server-fingerprint.ts'

const subject = { databases: ['shop', 'warehouse café'], users: ["'till'@'%'", "'report o''brien'@'10.%'"], roles: ['clerk'] }
const [first, second] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
afterAll(() => Promise.all([first.stop(), second.stop()]))

for (const server of [first, second]) {
  await server.client(['--default-character-set=utf8mb4'], { inputFile: join(import.meta.dirname, 'shop.sql') })
}
const original = await fingerprintServer(first, subject)
let latest = original

test('the shop is large and the same on every run', async () => {
  expect(original.rows).toBeGreaterThan(200_000)
  expect(differences(original, await fingerprintServer(second, subject))).toEqual([])
})

test('the shop has every column type of MariaDB', async () => {
  const found = (await first.client("SELECT DISTINCT data_type FROM information_schema.columns WHERE table_schema = 'shop'"))
    .trim()
    .split('\n')
  const numbers = ['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'float', 'double', 'bit']
  const moments = ['date', 'time', 'datetime', 'timestamp', 'year']
  const texts = ['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'enum', 'set', 'uuid', 'inet4', 'inet6']
  const bytes = ['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob']
  const shapes = ['geometry', 'point', 'linestring', 'polygon', 'multipoint', 'multilinestring', 'multipolygon', 'geometrycollection']
  expect(found).toEqual(expect.arrayContaining([...numbers, ...moments, ...texts, ...bytes, ...shapes]))
})

test.each([
  ['a row', "UPDATE shop.customer SET name = concat(name, ' ') WHERE id = 7"],
  ['a lost row', 'DELETE FROM shop.access_log LIMIT 1'],
  ['an invisible column', "UPDATE shop.customer SET secret_hash = 'x' WHERE id = 8"],
  ['a trigger', 'DROP TRIGGER shop.stock_is_watched'],
  ['a routine', 'ALTER PROCEDURE shop.ship COMMENT "another"'],
  ['a grant on columns', "REVOKE SELECT (name) ON shop.customer FROM 'report o''brien'@'10.%'"],
  ['a grant of a role', 'REVOKE UPDATE ON shop.* FROM clerk'],
  ['a grant', "REVOKE clerk FROM 'till'@'%'"],
])('a difference in %s is found', async (_what, statement) => {
  await second.client(statement)
  const after = await fingerprintServer(second, subject)
  expect(differences(latest, after)).not.toEqual([])
  latest = after
})
