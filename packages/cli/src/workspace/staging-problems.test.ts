import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { stagingProblems } from './staging-problems.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'backup-planet-staging-problems-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

test('a disk with less than the reserve is told with the keys of the configuration, also for a folder that is not there yet', async () => {
  const wanted = join(directory, 'not', 'yet')
  const problems = await stagingProblems(wanted, 512 * 1024 ** 2, async () => 200 * 1024 ** 2)
  expect(problems).toEqual([
    {
      severity: 'error',
      code: 'OUT_OF_SPACE',
      message: `the disk of the staging folder ${directory} has 200 MiB free, and 512 MiB must stay free`,
      hint: 'Free disk space there, set staging.directory to a folder on a larger disk, or lower staging.minimumFree.',
    },
  ])
  expect(await stagingProblems(wanted, 512 * 1024 ** 2, async () => 1024 ** 3)).toEqual([])
})
