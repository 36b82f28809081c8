import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { quoteIdentifier } from '../src/mysql-quoting.ts'
import { backUpToFolder } from './folder-backup.ts'
import { generatedSchema } from './generated-schema.ts'
import { restoreAll } from './restore-round-trip.ts'
import { schemaText } from './schema-fingerprint.ts'

const seed = Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 1_000_000)
const schemas = Number(process.env.BACKUP_PLANET_SCHEMA_COUNT ?? process.env.BACKUP_PLANET_RUNS ?? 8)

describe('schemas that nobody would write by hand', () => {
  let server: ThrowawayMariadb
  beforeAll(async () => {
    server = await startThrowawayMariadb()
  })
  afterAll(() => server.stop())

  it(`come back as they were (seed ${seed})`, { timeout: 60_000 + schemas * 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(generatedSchema, fc.boolean(), fc.boolean(), async (schema, deferIndexes, localInfile) => {
        const drop = `SET foreign_key_checks = 0; DROP DATABASE IF EXISTS ${quoteIdentifier(schema.name)}; DROP DATABASE IF EXISTS backup_planet_restore; SET GLOBAL local_infile = ${localInfile ? 1 : 0}`
        await server.client(drop)
        await server.client(['--binary-mode'], { input: schema.sql })
        const expected = await schemaText(server, schema.name)
        await using folder = await backUpToFolder(server, { users: false, chunkBytes: 4096 }, [schema.name])
        expect(folder.backup.items.flatMap((item) => item.failure ?? [])).toEqual([])
        await server.client(drop)
        const report = await restoreAll(server, folder, { options: { deferIndexes, threads: 2 } })
        expect(report.problems).toEqual([])
        expect(await schemaText(server, schema.name)).toBe(expected)
      }),
      { seed, numRuns: schemas, endOnFailure: process.env.BACKUP_PLANET_SHRINK === undefined },
    )
  })
})
