import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agentFor, dump, restoreByHand } from './capture-fixture.ts'
import { backUpToFolder } from './folder-backup.ts'
import { shopSql } from './restore-fixture.ts'
import { restoreAll } from './restore-round-trip.ts'
import { schemaText } from './schema-fingerprint.ts'

let server: ThrowawayMariadb
let byHand: ThrowawayMariadb

beforeAll(async () => {
  ;[server, byHand] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
  await server.client([], { input: shopSql })
  await server.client(`USE shop; CREATE TABLE shop.wide (id INT PRIMARY KEY, bytes LONGBLOB);
    INSERT INTO shop.wide SELECT seq, REPEAT(UNHEX(MD5(seq)), 20000) FROM seq_1_to_12;
    INSERT INTO shop.customers (id, name) SELECT seq, CONCAT('customer ', seq) FROM seq_1000_to_60000`)
})
afterAll(async () => {
  await Promise.all([server?.stop(), byHand?.stop()])
})

test('data files that are left as text are text, and come back as they were', async () => {
  const expected = await schemaText(server, 'shop')
  await using folder = await backUpToFolder(server, { compressionLevel: 0, chunkBytes: 300_000 })
  const files = await readdir(join(folder.directory, 'shop'))
  expect(files.filter((name) => name.endsWith('.zst'))).toEqual([])
  const data = files.filter((name) => /^shop\.customers\.\d+\.dat$/.test(name))
  expect(data.length).toBeGreaterThan(3)
  expect(await readFile(join(folder.directory, 'shop', data[0] ?? ''), 'utf8')).toMatch(/^\d+\t/)
  await server.client('DROP DATABASE shop')
  await restoreAll(server, folder)
  expect(await schemaText(server, 'shop')).toBe(expected)
})

test('RESTORE.md restores them by hand', async () => {
  await using dumped = await dump(agentFor(server, { compressionLevel: 0 }), { items: ['shop'] })
  await restoreByHand(dumped, 'shop', byHand)
  expect(await byHand.client('CHECKSUM TABLE shop.wide, shop.customers')).toBe(
    await server.client('CHECKSUM TABLE shop.wide, shop.customers'),
  )
})
