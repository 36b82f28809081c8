import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { backupPlanet, startBackupPlanet } from './backup-planet-process.ts'
import { recordEvidence } from './evidence.ts'
import { createJobUnderTest, type JobUnderTest, jobName } from './job-under-test.ts'
import { startMoneyWriters } from './money-writers.ts'
import { seededRandom, sweepOf } from './sweep.ts'

const sweep = sweepOf('KILL', 8)
/** A clean run is made after so many kills. */
const cleanRunEvery = 8
let server: ThrowawayMariadb
let job: JobUnderTest

beforeAll(async () => {
  server = await startThrowawayMariadb()
  job = await createJobUnderTest(server)
})

afterAll(async () => {
  await job?.[Symbol.asyncDispose]()
  await server?.stop()
})

it(`lists nothing that does not restore after kill -9 at ${sweep.count} random moments (seed ${sweep.seed})`, {
  timeout: 60_000 + 20_000 * sweep.count,
}, async () => {
  const random = seededRandom(sweep.seed)
  const words = ['run', jobName, '--config', job.configurationFile, '--json']
  const first = await backupPlanet(words, job.environment)
  expect(first.exitCode, first.stderr).toBe(0)
  const proven = new Set<string>()
  let killed = 0
  const address = { host: server.host, port: server.port, user: server.user, password: server.rootPassword }
  const writers = await startMoneyWriters(address, 1, random)
  try {
    for (let point = 1; point <= sweep.count; point++) {
      const moment = random() * first.milliseconds * 1.05
      const running = startBackupPlanet(words, job.environment)
      const timer = setTimeout(() => running.process.kill('SIGKILL'), moment)
      const outcome = await running.outcome
      clearTimeout(timer)
      if (outcome.exitCode === null) killed++
      await job.expectServerFree()
      if (point % cleanRunEvery === 0 || point === sweep.count) {
        const clean = await backupPlanet(words, job.environment)
        expect(clean.exitCode, clean.stderr).toBe(0)
        expect(await job.stagedFiles(), 'nothing is left in the staging').toEqual([])
      }
      for (const backup of await job.list()) {
        if (proven.has(backup.id)) continue
        await job.expectRestorable(backup)
        proven.add(backup.id)
      }
    }
  } finally {
    await writers.stop()
  }
  expect(killed, 'most kills hit a running command').toBeGreaterThan(sweep.count / 2)
  await recordEvidence(import.meta.url, { 'kills that hit': killed, 'backups listed, all restored': proven.size })
})
