import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { backupPlanet } from './backup-planet-process.ts'
import { createJobUnderTest, jobName } from './job-under-test.ts'

const run = promisify(execFile)
const mayMount = process.getuid?.() === 0 && (await mountWorks())
let server: ThrowawayMariadb

beforeAll(async () => {
  server = await startThrowawayMariadb()
})

afterAll(async () => {
  await server?.stop()
})

/** A file system of a few MiB is the only disk that is really full; mounting one takes root. */
describe.skipIf(!mayMount)('a full disk', () => {
  it.each([
    { place: 'staging', megabytes: 2 },
    { place: 'repository', megabytes: 2 },
  ] as const)('in the $place fails the run with what to do, and loses nothing', async ({ place, megabytes }) => {
    const mounted = await mkdtemp(path.join(tmpdir(), 'full-disk-'))
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'none', mounted])
    try {
      await server.client('DROP DATABASE IF EXISTS bank; DROP USER IF EXISTS backup;')
      await using job = await createJobUnderTest(server, {
        [place]: path.join(mounted, 'place'),
        // More than there is, so that it is the disk that says no.
        stagingSettings: { budget: '1GiB', minimumFree: '1KiB' },
      })
      await server.client('USE bank; INSERT INTO filler SELECT 100000 + seq, HEX(RANDOM_BYTES(120)) FROM seq_1_to_50000')
      const words = ['run', jobName, '--config', job.configurationFile]
      const full = await backupPlanet(words, job.environment)
      expect(full.exitCode).toBe(1)
      expect(full.stderr).toContain('OUT_OF_SPACE')
      expect(full.stderr).toContain(mounted)
      expect(full.stderr).toMatch(/hint: [A-Z].*\./)
      expect(await job.list()).toEqual([])
      await job.expectServerFree()

      await run('mount', ['-o', 'remount,size=200m', mounted])
      const clean = await backupPlanet(words, job.environment)
      expect(clean.exitCode, clean.stderr).toBe(0)
      const backups = await job.list()
      expect(backups.length).toBeGreaterThan(0)
      for (const backup of backups) await job.expectRestorable(backup)
      expect(await job.stagedFiles()).toEqual([])
    } finally {
      await run('umount', [mounted])
      await rm(mounted, { recursive: true })
    }
  })
})

async function mountWorks(): Promise<boolean> {
  const folder = await mkdtemp(path.join(tmpdir(), 'may-mount-'))
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', folder])
    await run('umount', [folder])
    return true
  } catch {
    return false
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
