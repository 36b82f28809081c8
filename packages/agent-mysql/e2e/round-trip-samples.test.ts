import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { startThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { describe, expect, it } from 'vitest'
import { backUpToFolder } from './folder-backup.ts'
import { restoreAll } from './restore-round-trip.ts'
import { schemaText } from './schema-fingerprint.ts'

const fixtures = join(process.env.BACKUP_PLANET_FIXTURES ?? resolve(import.meta.dirname, '../../../../shared/fixtures'), 'mysql')

const samples: readonly { readonly name: string; readonly files: readonly string[] }[] = [
  { name: 'sakila', files: ['sakila-schema.sql', 'sakila-data.sql'] },
  { name: 'world', files: ['world.sql'] },
  { name: 'fieldtypes_all', files: ['fieldtypes_all.sql'] },
  { name: 'misc_features', files: ['misc_features.sql'] },
  { name: 'create_triggers', files: ['create_triggers.sql'] },
  { name: 'employees', files: ['employees.sql', 'objects.sql'] },
  { name: 'employees_partitioned', files: ['employees_partitioned.sql'] },
]

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
        await server.client(['--force', '--default-character-set=utf8mb4', schema], { input: Buffer.from(text, 'latin1') }).catch(() => '')
      }
      const schemas = (await server.client('SHOW DATABASES'))
        .trim()
        .split('\n')
        .filter((name) => !before.has(name))
      expect(schemas.length).toBeGreaterThan(0)
      const expected = await Promise.all(schemas.map((schema) => schemaText(server, schema).catch(() => undefined)))
      await using folder = await backUpToFolder(server, { users: false }, schemas)
      for (const schema of schemas) await server.client(`SET foreign_key_checks = 0; DROP DATABASE \`${schema}\``)
      const report = await restoreAll(server, folder)
      expect(report.items.map((item) => item.item).toSorted()).toEqual(schemas.toSorted())
      for (const [index, schema] of schemas.entries()) {
        expect(expected[index]?.length, `mariadb-dump of ${schema}`).toBeGreaterThan(100)
        expect(await schemaText(server, schema)).toBe(expected[index])
      }
    })
  }
})
