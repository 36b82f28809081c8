import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeEach, expect, it } from 'vitest'
import { backupPlanet, startBackupPlanet } from './backup-planet-process.ts'
import { createJobUnderTest, type JobUnderTest, jobName } from './job-under-test.ts'

let server: ThrowawayMariadb
let job: JobUnderTest
let words: readonly string[]

beforeEach(async () => {
  await job?.[Symbol.asyncDispose]()
  await server?.stop()
  server = await startThrowawayMariadb()
  job = await createJobUnderTest(server)
  // Enough rows that the dump is still going on when it is interrupted.
  await server.client('USE bank; INSERT INTO filler SELECT 100000 + seq, HEX(RANDOM_BYTES(120)) FROM seq_1_to_250000')
  words = ['run', jobName, '--config', job.configurationFile]
})

afterAll(async () => {
  await job?.[Symbol.asyncDispose]()
  await server?.stop()
})

it('says that the server went away when it is killed during the dump, and lists nothing', async () => {
  const running = startBackupPlanet([...words, '--json'], job.environment)
  await running.seen(/"type":"bytes","phase":"capture"/)
  await server.kill()
  const outcome = await running.outcome
  expect(outcome.exitCode).toBe(1)
  expect(outcome.stderr).toContain('UNREACHABLE')
  expect(outcome.stderr).toMatch(/hint: [A-Z].*\./)
  expect(await job.list()).toEqual([])
  expect(await job.stagedFiles()).toEqual([])

  await server.restart()
  const again = await backupPlanet(words, job.environment)
  expect(again.exitCode, again.stderr).toBe(0)
  for (const backup of await job.list()) await job.expectRestorable(backup)
})

it.each(['SIGINT', 'SIGTERM'] as const)('ends in order on %s: no query on the server, nothing staged, nothing listed', async (signal) => {
  const running = startBackupPlanet([...words, '--json'], job.environment)
  await running.seen(/"type":"bytes","phase":"capture"/)
  running.process.kill(signal)
  const outcome = await running.outcome
  expect(outcome.exitCode).toBe(130)
  await job.expectServerFree()
  expect(await job.list()).toEqual([])
  expect(await job.stagedFiles()).toEqual([])
})

it('lets one of two runs of the same job pass and refuses the other without touching the server', async () => {
  const first = startBackupPlanet([...words, '--json'], job.environment)
  await first.seen(/"type":"bytes","phase":"capture"/)
  const second = await backupPlanet(words, job.environment)
  expect(second.exitCode).toBe(1)
  expect(second.stderr).toContain('CONFLICT')
  expect((await first.outcome).exitCode).toBe(0)
  const backups = await job.list()
  expect(backups).toHaveLength(1)
  for (const backup of backups) await job.expectRestorable(backup)
})
