import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { quoteIdentifier, quoteText } from '../src/mysql-quoting.ts'
import { backUpToFolder, type FolderBackup } from './folder-backup.ts'
import { restoreAll } from './restore-round-trip.ts'
import { schemaText } from './schema-fingerprint.ts'

const seed = Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 1_000_000)
const rowsPerTable = Number(process.env.BACKUP_PLANET_KEY_ROWS ?? 400)

interface KeyTable {
  readonly name: string
  /** Columns, and what makes them a key. */
  readonly columns: string
  readonly key: string
  /** Expressions over the numbers `n` (from 1) and `r` (32 bits that depend on the seed), one a column. */
  readonly values: string
  /** Rows that must be there whatever the seed is. */
  readonly always?: readonly string[]
  /** A kind of key that no table is cut by yet. */
  readonly whole?: true
}

/** Letters whose order and equality depend on the collation, spaces at the end and all of a character set's lengths among them. */
const letters = "ELT(1 + (r >> 4) % 12, 'a', 'A', 'á', 'ß', 'ss', 'Z', 'z ', 'ä', 'ae', 'é', 'o', '')"
const word = `CONCAT(${letters}, CONV(r % 46656, 10, 36), ELT(1 + r % 4, '', ' ', '  ', 'B'))`
const text = (type: string, value = word): Pick<KeyTable, 'columns' | 'key' | 'values'> => ({
  columns: `k ${type} NOT NULL`,
  key: 'PRIMARY KEY (k)',
  values: value,
})
const bytes = 'UNHEX(CONCAT(LPAD(HEX(r % 256), 2, 0), LPAD(HEX((r >> 8) % 256), 2, 0), LPAD(HEX((r >> 16) % 256), 2, 0)))'

const tables: readonly KeyTable[] = [
  {
    name: 'bigint unsigned',
    ...text('BIGINT UNSIGNED', 'CAST(r AS UNSIGNED) * 4294967297'),
    always: ['0', '18446744073709551615', '18446744073709551614', '9223372036854775808'],
  },
  {
    name: 'bigint',
    ...text('BIGINT', '(CAST(r AS SIGNED) - 2147483648) * 2147483648'),
    always: ['-9223372036854775808', '9223372036854775807', '-1', '0'],
  },
  { name: 'int with an outlier', ...text('INT', 'n'), always: ['-2147483648', '2147483647'] },
  { name: 'counter at zero', ...text('INT AUTO_INCREMENT', 'n + 10'), always: ['0', '-5'] },
  { name: 'date', ...text('DATE', "'2000-01-01' + INTERVAL r % 200000 DAY"), always: ["'0000-00-00'", "'2024-00-00'", "'2023-02-31'"] },
  {
    name: 'datetime',
    ...text('DATETIME(6)', "'1000-01-01' + INTERVAL CAST(r AS UNSIGNED) * 1000003 MICROSECOND"),
    always: ["'0000-00-00'", "'9999-12-31 23:59:59.999999'"],
  },
  {
    name: 'timestamp',
    ...text('TIMESTAMP(6)', "'1980-01-01' + INTERVAL CAST(r AS UNSIGNED) * 300000 MICROSECOND"),
    always: ["'0000-00-00'", "'2038-01-19 03:14:07.999999'", "'1970-01-01 00:00:01'"],
  },
  {
    name: 'time',
    ...text('TIME(6)', 'SEC_TO_TIME((r % 6000000 - 3000000) + 0.000001 * (r % 7))'),
    always: ["'-838:59:59.999999'", "'838:59:59.999999'"],
    whole: true,
  },
  { name: 'year', ...text('YEAR', '1901 + r % 255'), always: ['0'], whole: true },
  { name: 'binary', ...text('BINARY(3)', bytes), always: ["x'000000'", "x'ffffff'", "x'00'", "x'5c0a09'", "x'27'"] },
  {
    name: 'varbinary',
    ...text('VARBINARY(30)', `SUBSTR(${bytes}, 1, n % 4)`),
    always: ["''", "x'00'", "x'0000'", "x'ff'", "x'5c'", "x'20'"],
  },
  {
    name: 'decimal',
    ...text('DECIMAL(65,30)', '(CAST(r AS DECIMAL(65,30)) - 2147483648) * 1.000000000000000000000000000007'),
    always: [`-${'9'.repeat(35)}.${'9'.repeat(30)}`, `${'9'.repeat(35)}.${'9'.repeat(30)}`, `0.${'0'.repeat(29)}1`, '0'],
  },
  {
    name: 'double',
    ...text('DOUBLE', '(r - 2147483648) / 3e7'),
    always: ['-1.7976931348623157e308', '1.7976931348623157e308', '2.2250738585072014e-308', '-0.0e0'],
    whole: true,
  },
  { name: 'float', ...text('FLOAT', '(r - 2147483648) / 3e7'), always: ['-3.40282346e38', '1.17549435e-38', '-0.0e0'], whole: true },
  { name: 'bit', ...text('BIT(64)', 'CAST(r AS UNSIGNED) * 4294967297'), always: ["b'0'", `b'${'1'.repeat(64)}'`], whole: true },
  { name: 'enum', ...text("ENUM('', 'b', 'a', 'ü', 'y z')", '1 + r % 5'), whole: true },
  { name: 'set', ...text("SET('c', 'b', 'a', 'd', 'e', 'f', 'g', 'h', 'i', 'j')", 'r % 1024'), whole: true },
  { name: 'inet6', ...text('INET6', "CONCAT('2001:db8::', HEX(r % 65536), ':', HEX(n))"), always: ["'::'", "'::ffff:192.0.2.1'"] },
  { name: 'inet4', ...text('INET4', 'INET_NTOA(r)'), always: ["'0.0.0.0'", "'255.255.255.255'"] },
  { name: 'uuid', ...text('UUID', 'CAST(MD5(r) AS CHAR)'), always: ["'00000000-0000-0000-0000-000000000000'"] },
  ...[
    'latin1 COLLATE latin1_swedish_ci',
    'latin1 COLLATE latin1_german2_ci',
    'latin1 COLLATE latin1_bin',
    'latin1 COLLATE latin1_nopad_bin',
    'utf8mb3 COLLATE utf8mb3_general_ci',
    'utf8mb4 COLLATE utf8mb4_unicode_ci',
    'utf8mb4 COLLATE utf8mb4_unicode_nopad_ci',
    'utf8mb4 COLLATE utf8mb4_nopad_bin',
    'utf8mb4 COLLATE utf8mb4_uca1400_ai_ci',
    'ucs2 COLLATE ucs2_unicode_ci',
    'utf16 COLLATE utf16_general_ci',
    'utf16le COLLATE utf16le_bin',
    'utf32 COLLATE utf32_unicode_nopad_ci',
  ].flatMap((set): KeyTable[] => [
    {
      name: `varchar ${set}`,
      ...text(`VARCHAR(30) CHARACTER SET ${set}`),
      always: ["''", "'\\\\'", "'\\t'", "'\\n'", "'\\0'", "'it''s'", "'%_'"],
    },
    { name: `char ${set}`, ...text(`CHAR(30) CHARACTER SET ${set}`) },
  ]),
  {
    name: 'varchar sjis',
    ...text('VARCHAR(30) CHARACTER SET sjis', "CONCAT(_sjis x'835c', CONVERT(CONV(r % 46656, 10, 36) USING sjis))"),
    always: ["_sjis x'835c'", "_sjis x'b1'"],
  },
  {
    name: 'varchar gbk',
    ...text('VARCHAR(30) CHARACTER SET gbk', "CONCAT(_gbk x'bf5c', CONVERT(CONV(r % 46656, 10, 36) USING gbk))"),
    always: ["_gbk x'bf5c'"],
  },
  {
    name: 'varchar big5',
    ...text('VARCHAR(30) CHARACTER SET big5', "CONCAT(_big5 x'a55c', CONVERT(CONV(r % 46656, 10, 36) USING big5))"),
    always: ["_big5 x'a55c'"],
  },
  { name: 'varchar eucjpms', ...text('VARCHAR(30) CHARACTER SET eucjpms', 'CONV(r, 10, 36)'), always: ["_eucjpms x'8fb0a1'"] },
  {
    name: 'composite of strings',
    columns:
      'a VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL, b VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_nopad_bin NOT NULL, c INT NOT NULL',
    key: 'PRIMARY KEY (a, b, c)',
    values: `${letters}, ${word}, n % 7 - 3`,
  },
  {
    name: 'composite of numbers',
    columns: 'a SMALLINT NOT NULL, b BIGINT UNSIGNED NOT NULL',
    key: 'PRIMARY KEY (a DESC, b)',
    values: 'r % 5 - 2, CAST(r AS UNSIGNED) * 4294967297',
  },
  {
    name: 'one value of the first column',
    columns: 'a VARCHAR(10) NOT NULL, b INT NOT NULL',
    key: 'PRIMARY KEY (a, b)',
    values: "'same', n",
    whole: true,
  },
  {
    name: 'unique of a nullable column',
    columns: 'k INT NULL, v INT',
    key: 'UNIQUE KEY (k)',
    values: 'IF(n % 3, NULL, n), r % 9',
    whole: true,
  },
  {
    name: 'unique beside a nullable one',
    columns: 'k VARCHAR(20) NOT NULL, v INT',
    key: 'UNIQUE KEY (v), UNIQUE KEY (k)',
    values: `${word}, IF(n % 3, NULL, n)`,
  },
  {
    name: 'prefix of a text',
    columns: 'k VARCHAR(200) NOT NULL',
    key: 'UNIQUE KEY (k(3))',
    values: `CONCAT(LPAD(CONV(n, 10, 36), 3, '-'), ${word})`,
    whole: true,
  },
  {
    name: 'partitioned',
    columns: 'k INT NOT NULL, d DATE NOT NULL',
    key: 'PRIMARY KEY (k, d)',
    values: "n, '2024-01-01' + INTERVAL r % 400 DAY",
  },
]

const options = (name: string) => (name === 'partitioned' ? ' PARTITION BY HASH (k) PARTITIONS 5' : '')

function tableStatements(table: KeyTable, number: number): string {
  const name = quoteIdentifier(table.name)
  const names = [...table.columns.matchAll(/(?:^|, )(\w+) /g)].map((match) => match[1])
  const source = `(SELECT CAST(seq AS SIGNED) AS n, CAST(CRC32(CONCAT(seq, '/${seed}/${number}')) AS SIGNED) AS r FROM seq_1_to_${rowsPerTable}) s`
  return [
    `CREATE TABLE ${name} (${table.columns}, filler VARCHAR(60) CHARACTER SET latin1, ${table.key}) ENGINE=InnoDB COMMENT ${quoteText(table.columns.slice(0, 200))}${options(table.name)};`,
    ...(table.always ?? []).map((value) => `INSERT IGNORE INTO ${name} (${names[0]}) VALUES (${value});`),
    `INSERT IGNORE INTO ${name} (${names.join(', ')}, filler) SELECT ${table.values}, SHA1(r) FROM ${source};`,
    `ANALYZE TABLE ${name} PERSISTENT FOR ALL;`,
  ].join('\n')
}

describe('a table is read in parts of its key', () => {
  let server: ThrowawayMariadb
  let folder: FolderBackup
  let expected: string
  beforeAll(async () => {
    server = await startThrowawayMariadb()
    await server.client(['--default-character-set=utf8mb4'], {
      input: [
        "SET NAMES utf8mb4; SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES', time_zone = '+00:00'; CREATE DATABASE `keys`; USE `keys`;",
        ...tables.map(tableStatements),
      ].join('\n'),
    })
    expected = await schemaText(server, 'keys')
    await server.client("SET GLOBAL log_output = 'TABLE', general_log = 1")
    folder = await backUpToFolder(server, { users: false, chunkBytes: 4096 }, ['keys'])
    await server.client('SET GLOBAL general_log = 0')
    await server.client('DROP DATABASE `keys`')
    await restoreAll(server, folder, { options: { threads: 2 } })
  }, 180_000)
  afterAll(async () => {
    await folder?.[Symbol.asyncDispose]()
    await server?.stop()
  })

  it(`and all of them come back as they were (seed ${seed})`, async () => {
    expect(tables.filter((table) => !expected.includes(`CREATE TABLE ${quoteIdentifier(table.name)}`)).map((table) => table.name)).toEqual(
      [],
    )
    const found = await schemaText(server, 'keys')
    const before = new Set(expected.split('\n'))
    const after = new Set(found.split('\n'))
    expect([...before].filter((line) => !after.has(line)).slice(0, 5)).toEqual([])
    expect([...after].filter((line) => !before.has(line)).slice(0, 5)).toEqual([])
    expect(found === expected).toBe(true)
  })

  it.each(tables)('$name has the rows that every run has', async (table) => {
    const rows = Number(await server.client(`SELECT COUNT(*) FROM \`keys\`.${quoteIdentifier(table.name)}`))
    expect(rows).toBeGreaterThanOrEqual((table.always?.length ?? 0) + 1)
  })

  it.each(tables.filter((table) => table.whole !== true))('$name is cut by it', async (table) => {
    const from = `FROM \`keys\`.${quoteIdentifier(table.name)}`
    const parts = `SELECT COUNT(DISTINCT argument) FROM mysql.general_log WHERE argument LIKE '%SQL_NO_CACHE%' AND argument LIKE '% WHERE %' AND INSTR(argument, ${quoteText(from)})`
    expect(Number(await server.client(parts))).toBeGreaterThan(2)
  })
})
