import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { describe, expect, it } from 'vitest'
import { quoteTable, quoteText } from '../src/mysql-quoting.ts'
import { backUpToFolder } from './folder-backup.ts'
import { restoreAll } from './restore-round-trip.ts'
import { schemaText } from './schema-fingerprint.ts'

const fixtures = join(process.env.BACKUP_PLANET_FIXTURES ?? resolve(import.meta.dirname, '../../../../shared/fixtures'), 'mysql')

interface Sample {
  readonly name: string
  readonly files: readonly string[]
  /** Schema → table → rows that the published files hold. */
  readonly rows: Readonly<Record<string, Readonly<Record<string, number>>>>
}

/** The repository of the sample carries only some of its data files. */
const employees = { employees: { departments: 9, dept_manager: 0, employees: 0, salaries: 0, dept_emp: 0, titles: 0 } }

const samples: readonly Sample[] = [
  {
    name: 'sakila',
    files: ['sakila-schema.sql', 'sakila-data.sql'],
    rows: {
      sakila: {
        actor: 200,
        address: 603,
        category: 16,
        city: 600,
        country: 109,
        customer: 599,
        film: 1000,
        film_actor: 5462,
        film_category: 1000,
        film_text: 1000,
        inventory: 4581,
        language: 6,
        payment: 16049,
        rental: 16044,
        staff: 2,
        store: 2,
      },
    },
  },
  { name: 'world', files: ['world.sql'], rows: { world: { City: 4079, Country: 239, CountryLanguage: 984 } } },
  {
    name: 'fieldtypes_all',
    files: ['fieldtypes_all.sql'],
    rows: {
      xtest: {
        t_bit: 5,
        t_char: 6,
        t_date: 4,
        t_decimal1: 4,
        t_double: 4,
        t_enum: 3,
        t_geom: 4,
        t_geom_all: 1,
        t_int: 6,
        t_lob: 3,
        t_set: 3,
      },
    },
  },
  {
    name: 'misc_features',
    files: ['misc_features.sql'],
    rows: {
      all_features: { aik: 1, latin1_charset: 4, mixed_charset: 4, plaintable: 0, sjis_charset: 4, unicode_charset: 4 },
      all_features2: { tbl1: 0, tbl2: 0 },
    },
  },
  // Triggers only: the published file inserts no row.
  { name: 'create_triggers', files: ['create_triggers.sql'], rows: { test: { test: 0, test2: 0 } } },
  { name: 'employees', files: ['employees.sql', 'objects.sql'], rows: employees },
  { name: 'employees_partitioned', files: ['employees_partitioned.sql'], rows: employees },
]

async function expectRows(server: ThrowawayMariadb, sample: Sample): Promise<void> {
  for (const [schema, tables] of Object.entries(sample.rows)) {
    const counts = Object.keys(tables).map((table) => `SELECT ${quoteText(table)}, COUNT(*) FROM ${quoteTable(schema, table)}`)
    const found = (await server.client(counts.join(' UNION ALL '))).trim().split('\n')
    expect(Object.fromEntries(found.map((line) => [line.split('\t')[0], Number(line.split('\t')[1])])), schema).toEqual(tables)
  }
}

describe.skipIf(!existsSync(fixtures))('published sample databases come back as they were', () => {
  for (const sample of samples) {
    it(sample.name, { timeout: 120_000 }, async () => {
      await using server = await startThrowawayMariadb()
      const before = new Set((await server.client('SHOW DATABASES')).trim().split('\n'))
      // This one has no CREATE DATABASE.
      const schema = sample.name === 'world' ? 'world' : 'mysql'
      if (schema === 'world') await server.client('CREATE DATABASE world')
      for (const file of sample.files) {
        // Dumps of MySQL name collations that MariaDB lacks, and load further files by the client's `source`.
        const text = (await readFile(join(fixtures, file), 'latin1'))
          .replaceAll(/utf8mb4_0900_\w+/g, 'utf8mb4_general_ci')
          .replaceAll(/^source (\S+) *;/gim, (line, name: string) =>
            existsSync(join(fixtures, name)) ? `source ${join(fixtures, name)};` : `-- ${line}`,
          )
        // Without --force: a statement that MariaDB refuses fails the test; none of these files has one.
        await server.client(['--default-character-set=utf8mb4', schema], { input: Buffer.from(text, 'latin1') })
      }
      const schemas = (await server.client('SHOW DATABASES'))
        .trim()
        .split('\n')
        .filter((name) => !before.has(name))
      expect(schemas).toEqual(expect.arrayContaining(Object.keys(sample.rows)))
      await expectRows(server, sample)
      const expected = await Promise.all(schemas.map((schema) => schemaText(server, schema)))
      await using folder = await backUpToFolder(server, { users: false }, schemas)
      for (const schema of schemas) await server.client(`SET foreign_key_checks = 0; DROP DATABASE \`${schema}\``)
      const report = await restoreAll(server, folder)
      expect(report.items.map((item) => item.item).toSorted()).toEqual(schemas.toSorted())
      for (const [index, schema] of schemas.entries()) {
        expect(expected[index]?.length, `mariadb-dump of ${schema}`).toBeGreaterThan(100)
        expect(await schemaText(server, schema)).toBe(expected[index])
      }
      await expectRows(server, sample)
    })
  }
})
