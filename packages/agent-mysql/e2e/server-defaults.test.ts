import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runMysqlRestore } from '../src/restore/index.ts'
import { backUpToFolder, FolderFiles, resealed } from './folder-backup.ts'
import { planFor, resolved, restoreAll } from './restore-round-trip.ts'
import { schemaText } from './schema-fingerprint.ts'

/** What an administrator may have made the default of every session, each of which would change what is read or written. */
const unusual = [
  "lc_messages = 'de_DE'",
  'sql_select_limit = 10',
  'sql_big_selects = 0',
  'max_join_size = 10',
  "completion_type = 'RELEASE'",
  'tx_read_only = 1',
  "tx_isolation = 'SERIALIZABLE'",
  'autocommit = 0',
  "sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,PAD_CHAR_TO_FULL_LENGTH'",
  'sql_safe_updates = 1',
  'sql_quote_show_create = 0',
  "time_zone = '+05:00'",
  "old_mode = ''",
  'explicit_defaults_for_timestamp = 0',
  "default_storage_engine = 'MyISAM'",
  'max_statement_time = 0.5',
]

let source: Awaited<ReturnType<typeof startThrowawayMariadb>>
let target: Awaited<ReturnType<typeof startThrowawayMariadb>>

beforeAll(async () => {
  source = await startThrowawayMariadb()
  target = await startThrowawayMariadb()
  await source.client(`CREATE DATABASE plain CHARACTER SET latin1; USE plain;
SET explicit_defaults_for_timestamp = 1, sql_mode = 'ALLOW_INVALID_DATES';
CREATE TABLE moments (id INT PRIMARY KEY, a TIMESTAMP NOT NULL, b TIMESTAMP NOT NULL, c TIMESTAMP, d DATE) ENGINE=InnoDB;
INSERT INTO moments SELECT seq, FROM_UNIXTIME(1e9 + seq), 0, NULL, '2020-02-31' FROM seq_1_to_500;
CREATE TABLE texts (id INT PRIMARY KEY, c CHAR(9), t TEXT CHARACTER SET utf8mb3, UNIQUE KEY (t(9))) ENGINE=InnoDB;
INSERT INTO texts SELECT seq, CONCAT(seq, '\\\\'), CONCAT(seq, '"é') FROM seq_1_to_500;
CREATE TABLE gathered (a INT) ENGINE=MyISAM; INSERT INTO gathered SELECT seq FROM seq_1_to_50;
${Array.from({ length: 12 }, (_, index) => `CREATE TABLE small${index} (a INT); CREATE VIEW view${index} AS SELECT a FROM small${index};`).join('\n')}
CREATE PROCEDURE p() SELECT "text";`)
})

afterAll(async () => {
  await source?.stop()
  await target?.stop()
})

describe('defaults of sessions', () => {
  it('of the source and of the target change nothing of what comes back', async () => {
    const before = await schemaText(source, 'plain')
    for (const server of [source, target]) for (const one of unusual) await server.client(`SET GLOBAL ${one}`)
    await using folder = await backUpToFolder(source, { includeSchemas: ['plain'], users: false })
    const report = await runMysqlRestore(resolved(target), await planFor(target, folder), new FolderFiles(folder.directory, folder.backup))
    expect(report).toMatchObject({ items: [{ item: 'plain' }], problems: [] })
    expect(report.items[0]?.failure).toBeUndefined()
    // The tools of the test are sessions too.
    for (const server of [source, target])
      for (const one of unusual) await server.client(`SET GLOBAL ${one.replace(/ = .*/, ' = DEFAULT')}`)
    expect(await schemaText(target, 'plain')).toBe(before)
  })

  it('do not make another character set of utf8, which is how servers before MariaDB 10.6 and MySQL 8.0.30 name utf8mb3', async () => {
    await source.client(`CREATE DATABASE older CHARACTER SET utf8mb3; USE older; CREATE TABLE t (id INT, a TEXT, b TEXT COLLATE utf8mb3_unicode_ci);
      CREATE VIEW v AS SELECT a FROM t; CREATE PROCEDURE p(a TEXT) SELECT a;`)
    const before = await schemaText(source, 'older')
    await using folder = await backUpToFolder(source, { includeSchemas: ['older'], users: false })
    const path = join(folder.directory, 'older', 'objects.jsonl')
    await writeFile(path, (await readFile(path, 'utf8')).replaceAll('utf8mb3', 'utf8'))
    const backup = await resealed(folder.directory, folder.backup)
    await target.client("SET GLOBAL old_mode = ''")
    await restoreAll(target, { ...folder, backup })
    expect(await schemaText(target, 'older')).toBe(before)
  })
})
