import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { agentFor, dump } from './capture-fixture.ts'

let server: ThrowawayMariadb
let target: ThrowawayMariadb

beforeAll(async () => {
  ;[server, target] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
})
afterAll(async () => {
  await Promise.all([server?.stop(), target?.stop()])
})

/** Needs Debian's packages mydumper and zstd. */
test('myloader restores tables, rows and views of an item once its files are decompressed', async () => {
  await server.client(`CREATE DATABASE shop; USE shop; CREATE TABLE t (id INT PRIMARY KEY, b BIT(10), t TEXT, f FLOAT);
    INSERT INTO t SELECT seq, seq % 1024, CONCAT('a\\n\\t\\\\', seq), 0.1 FROM seq_1_to_3000; CREATE VIEW v AS SELECT id FROM t;`)
  await using dumped = await dump(agentFor(server, { chunkBytes: 20_000 }), { items: ['shop'] })
  const folder = join(dumped.stage.directory, 'shop')
  const run = promisify(execFile)
  const files = dumped.stage.files.filter((file) => file.name.endsWith('.zst')).map((file) => file.name)
  expect(files.length).toBeGreaterThan(1)
  await run('zstd', ['--decompress', '--rm', '--quiet', '--', ...files], { cwd: folder })
  const options = join(dumped.stage.directory, 'myloader.cnf')
  await writeFile(
    options,
    `[client]\nlocal-infile=1\nhost=${target.host}\nport=${target.port}\nuser=${target.user}\npassword=${target.rootPassword}\n`,
    { mode: 0o600 },
  )
  await run('myloader', [`--defaults-file=${options}`, '-h', target.host, '-P', String(target.port), '-d', '.', '-B', 'shop', '-t', '2'], {
    cwd: folder,
  })
  const sql =
    'SELECT COUNT(*), SUM(b+0), SUM(f = 0.1), MD5(GROUP_CONCAT(t ORDER BY id)) FROM shop.t; SELECT COUNT(*) FROM shop.v; SHOW FULL TABLES FROM shop'
  expect(await target.client(sql)).toBe(await server.client(sql))
})
