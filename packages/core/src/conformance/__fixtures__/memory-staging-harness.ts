import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Staging } from '../../contracts/index.ts'
import { createMemoryStaging } from '../../testing/memory-staging.ts'
import type { StagingHarness } from '../staging-harness.ts'

/** An empty memory staging, with something around it that is checked. */
export async function memoryStagingHarness(around: (staging: Staging) => Staging = (staging) => staging): Promise<StagingHarness> {
  const directory = await mkdtemp(path.join(tmpdir(), 'memory-staging-'))
  const staging = createMemoryStaging({ directory, budgetBytes: 16_384 })
  return {
    staging: around(staging),
    crash: async () => around(staging.crash()),
    dispose: () => rm(directory, { recursive: true, force: true }),
  }
}
