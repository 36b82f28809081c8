import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Staging } from '../../contracts/index.ts'
import { createDirectoryStaging } from '../../staging/directory-staging.ts'
import type { StagingHarness } from '../staging-harness.ts'

/** The directory staging on an empty folder, with something around it that is checked. */
export async function directoryStagingHarness(around: (staging: Staging) => Staging = (staging) => staging): Promise<StagingHarness> {
  const root = await mkdtemp(path.join(tmpdir(), 'staging-contract-'))
  const create = (directory: string) => around(createDirectoryStaging({ directory, budgetBytes: 16_384, minimumFreeBytes: 0 }))
  const directory = path.join(root, 'staging')
  return {
    staging: create(directory),
    async crash() {
      const copy = path.join(root, 'copy')
      await cp(directory, copy, { recursive: true, preserveTimestamps: true })
      for (const job of await readdir(copy)) {
        for (const name of await readdir(path.join(copy, job))) if (name.startsWith('lock~')) await rm(path.join(copy, job, name))
      }
      return create(copy)
    },
    dispose: () => rm(root, { recursive: true, force: true }),
  }
}
