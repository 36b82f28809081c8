import { hash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Backup, createDirectoryUploader } from '@backup-planet/core'
import { collect } from '@backup-planet/core/conformance'
import { expect } from 'vitest'
import { type Contents, cheapCost, filesOf, findingsOf, restored } from '../src/__fixtures__/small-repository.ts'
import { createResticRepository, type ResticRepository } from '../src/index.ts'
import { initializeRepository } from '../src/repository-access.ts'
import { createResticClient, type ResticClient } from './restic-command.ts'

export const password = 'correct horse battery staple'

/** A temporary folder with one repository in it, for us and for restic. */
export interface SharedPlace extends AsyncDisposable {
  /** Absolute path of a name in the folder, beside the repository. */
  path(...names: string[]): string
  readonly restic: ResticClient
  /** As another process of ours would have it: nothing is remembered. */
  open(withPassword?: string): ResticRepository
}

/** The repository is not there yet: {@link initializeOurs}, or `restic init`. */
export async function createSharedPlace(): Promise<SharedPlace> {
  const folder = await mkdtemp(join(tmpdir(), 'with-restic-'))
  const directory = join(folder, 'repository')
  const restic = await createResticClient(directory, password)
  return {
    path: (...names) => join(folder, ...names),
    restic,
    open: (withPassword = password) =>
      createResticRepository({ uploader: createDirectoryUploader({ directory }), password: withPassword, cacheDirectory: false }),
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Creates the repository as we do it, with a password that costs nothing to try. */
export async function initializeOurs(place: SharedPlace): Promise<void> {
  const uploader = createDirectoryUploader({ directory: place.restic.repository })
  await initializeRepository(uploader, { password, cost: cheapCost }, {})
}

/** Both find every byte of the repository as it must be. */
export async function expectWhole(place: SharedPlace): Promise<void> {
  expect(await place.restic.run(['check', '--read-data'])).toContain('no errors were found')
  const findings = await findingsOf(place.open(), { readData: true })
  expect(findings.filter(({ severity }) => severity !== 'ok')).toEqual([])
}

/** The backup is listed, and every file of it comes back. */
export async function expectRestorable(repository: ResticRepository, backup: Backup, contents: Contents): Promise<void> {
  expect((await collect(repository.list())).map(({ id }) => id)).toContain(backup.id)
  expect(digests(await restored(repository, backup))).toEqual(digests(filesOf(contents)))
}

/** Comparing millions of bytes one by one takes a test runner minutes. */
function digests(files: ReadonlyMap<string, Buffer | Error>): ReadonlyMap<string, string> {
  return new Map([...files].map(([name, bytes]) => [name, bytes instanceof Error ? String(bytes) : hash('sha256', bytes)]))
}
