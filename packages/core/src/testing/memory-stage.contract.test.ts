import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { describeChecks } from '../conformance/describe-checks.ts'
import { stagingChecks } from '../conformance/staging-checks.ts'
import type { StagingHarness } from '../conformance/staging-harness.ts'
import { throwIfAborted } from '../errors/backup-error.ts'
import { createMemoryStage } from './memory-stage.ts'

/**
 * A memory stage is one stage, not a staging: it has no budget, no lock of its job and nothing that outlives it. It keeps copies of
 * files that are adopted, so that nobody can change them but by `damage`.
 */
const notPromised = new Set([
  'a staged file that was changed is CORRUPTED, not read',
  'several writers at once get through with a drainer that lets go only when pressed, and the budget holds',
  'a file larger than largestFile is OUT_OF_SPACE',
  'after stopDraining a writer that has to wait fails with the cause, one that has room goes on',
  'a second run of the job is a CONFLICT until the first has let go',
  'a stage that is disposed unsealed is gone; a sealed one stays until it is removed',
  'sealed stages come oldest first',
  'a crash before the seal leaves nothing to resume',
  'a crash after the seal loses nothing: not what is left to send, and not what is sent already',
  'files of a failed item are not given to a resumed attempt',
])

async function makeStaging(): Promise<StagingHarness> {
  const root = await mkdtemp(join(tmpdir(), 'memory-stage-'))
  return {
    staging: {
      async begin(run, options) {
        throwIfAborted(options?.signal, 'begin')
        return createMemoryStage({ run, directory: await mkdtemp(join(root, 'stage-')) })
      },
      async *resumable() {},
    },
    crash: () => Promise.reject(new TypeError('a memory stage does not survive a crash')),
    dispose: () => rm(root, { recursive: true, force: true }),
  }
}

it('the checks that are left out are there', () => {
  const names = stagingChecks.map(({ name }) => name)
  for (const name of notPromised) expect(names).toContain(name)
})

describeChecks(
  'the memory stage keeps what the staging contract says of one stage',
  stagingChecks.filter(({ name }) => !notPromised.has(name)),
  makeStaging,
)
