import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createMysqlAgent } from '@backup-planet/agent-mysql'
import { backUp, createDirectoryStaging, createDirectoryUploader, restore, restorePlan } from '@backup-planet/core'
import { createArchiveRepository } from '@backup-planet/repository-archive'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { recordEvidence } from './evidence.ts'
import { bankInvariants, bankSchema, bankSql, startMoneyWriters } from './money-writers.ts'
import { seededRandom, sweepOf } from './sweep.ts'

const sweep = sweepOf('MONEY', 3)
let server: ThrowawayMariadb
let folder: string

beforeAll(async () => {
  server = await startThrowawayMariadb()
  folder = await mkdtemp(path.join(tmpdir(), 'money-'))
  await server.client(bankSql)
})

afterAll(async () => {
  await server?.stop()
  if (folder !== undefined) await rm(folder, { recursive: true, force: true })
})

it(`holds the sum of all money in ${sweep.count} backups taken while money moves (seed ${sweep.seed})`, {
  timeout: 60_000 * sweep.count,
}, async () => {
  const random = seededRandom(sweep.seed)
  const address = { host: server.host, port: server.port, user: server.user, password: server.rootPassword }
  await using repository = createArchiveRepository({ uploader: createDirectoryUploader({ directory: path.join(folder, 'repository') }) })
  const staging = createDirectoryStaging({ directory: path.join(folder, 'staging') })
  const writers = await startMoneyWriters(address, 2, random)
  try {
    for (let run = 0; run < sweep.count; run++) {
      await using agent = createMysqlAgent({
        ...address,
        includeSchemas: [bankSchema],
        users: false,
        threads: 1 + (run % 4),
        chunkBytes: 256 * 1024,
      })
      const before = writers.transfers
      const report = await backUp({ agent, repository, staging, request: { job: 'bank', kind: 'full' } })
      expect(writers.transfers, 'money moved during the dump').toBeGreaterThan(before)
      const copy = `bank_${run}`
      const target = { overwrite: false, rename: { [bankSchema]: copy }, options: { users: 'skip' } }
      const plan = await restorePlan({ agent, repository, backup: report.backup, items: [bankSchema], target })
      await restore({ agent, repository, plan, scratch: { directory: path.join(folder, 'scratch'), budgetBytes: 64 * 2 ** 20 } })
      for (const invariant of bankInvariants) {
        expect((await server.client(invariant.sql(copy))).trim(), `run ${run}: ${invariant.name}`).toBe('0')
      }
      await server.client(`DROP DATABASE ${copy}`)
    }
  } finally {
    await writers.stop()
  }
  await recordEvidence(import.meta.url, { 'transfers meanwhile': writers.transfers })
})
