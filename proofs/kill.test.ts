import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type RunningCommand, startBackupPlanet } from './backup-planet-process.ts'
import { recordEvidence } from './evidence.ts'
import { createJobUnderTest, type JobUnderTest, jobName } from './job-under-test.ts'
import { startMoneyWriters } from './money-writers.ts'
import { seededRandom, sweepOf } from './sweep.ts'

const sweep = sweepOf('KILL', 6)
/** A clean run is made after so many kills. */
const cleanRunEvery = 6
/** Most of a run is the start of Node; of three kills one may hit that, two come once data flows. */
const anyMomentEvery = 3
const captureBegun = /"type":"bytes","phase":"capture"/
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
  const proven = new Set<string>()
  const hits = { 'before the capture': 0, 'during the capture': 0, 'after captured': 0, 'after stored': 0, 'after the end': 0 }
  let typical = await cleanRun()
  const address = { host: server.host, port: server.port, user: server.user, password: server.rootPassword }
  const writers = await startMoneyWriters(address, 1, random)
  try {
    for (let point = 1; point <= sweep.count; point++) {
      const anyMoment = point % anyMomentEvery === 0
      const moment = random() * 1.05 * (anyMoment ? typical.total : typical.total - typical.untilCapture)
      const running = start()
      if (!anyMoment) await running.seen(captureBegun)
      const timer = setTimeout(() => running.process.kill('SIGKILL'), moment)
      const outcome = await running.outcome
      clearTimeout(timer)
      if (outcome.exitCode !== null) expect(outcome.exitCode, outcome.stderr).toBe(0)
      hits[phaseOf(outcome.exitCode, outcome.stdout)]++
      await job.expectServerFree()
      if (point % cleanRunEvery === 0 || point === sweep.count) {
        typical = await cleanRun()
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
  await recordEvidence(import.meta.url, { ...hits, 'backups listed, all restored': proven.size })
  expect(hits['after the end'], `most kills hit a running command: ${JSON.stringify(hits)}`).toBeLessThan(sweep.count / 2)
})

function start(): RunningCommand {
  return startBackupPlanet(['run', jobName, '--config', job.configurationFile, '--json'], job.environment)
}

/** A run that nobody disturbs, and how many milliseconds it took until its capture began, and until its end. */
async function cleanRun(): Promise<{ readonly untilCapture: number; readonly total: number }> {
  const began = performance.now()
  const running = start()
  await running.seen(captureBegun)
  const untilCapture = performance.now() - began
  const outcome = await running.outcome
  expect(outcome.exitCode, outcome.stderr).toBe(0)
  return { untilCapture, total: outcome.milliseconds }
}

/** The furthest thing a command said before it was killed; it says each once it is so. */
function phaseOf(exitCode: number | null, said: string) {
  if (exitCode !== null) return 'after the end'
  if (said.includes('"type":"stored"')) return 'after stored'
  if (said.includes('"type":"captured"')) return 'after captured'
  return captureBegun.test(said) ? 'during the capture' : 'before the capture'
}
