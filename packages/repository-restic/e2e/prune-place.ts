import { hash } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createDirectoryUploader } from '@backup-planet/core'
import { expect } from 'vitest'
import { cheapCost, filesOf, findingsOf, listing, password, restoredAtOnce, storeContents } from '../src/__fixtures__/small-repository.ts'
import { createResticRepository, type ResticRepository } from '../src/index.ts'
import { contentsOf, packBytes } from '../src/maintenance/__fixtures__/pruned-place.ts'
import { initializeRepository } from '../src/repository-access.ts'
import { createResticClient, type ResticClient } from './restic-command.ts'

/** A repository of ours in a temporary folder, whose backups share files, for us and for restic. */
export interface PrunePlace extends AsyncDisposable {
  readonly folder: string
  readonly restic: ResticClient
  /** As another process of ours would have it. */
  open(): ResticRepository
  /** Stores a backup of these files; the number of one says what is in it. */
  store(files: readonly number[]): Promise<void>
  /** Removes a backup, counted from the oldest that is kept. */
  remove(at: number): Promise<void>
  /** How many backups are kept. */
  readonly kept: number
  /** Every backup that is kept is listed, and every byte of it comes back. */
  expectRestorable(): Promise<void>
  /** We and restic find every byte as it must be. */
  expectWhole(): Promise<void>
}

export async function createPrunePlace(): Promise<PrunePlace> {
  const folder = await mkdtemp(path.join(tmpdir(), 'pruned-restic-'))
  const directory = `${folder}/repository`
  await mkdir(directory)
  await initializeRepository(createDirectoryUploader({ directory }), { password, cost: cheapCost }, {})
  const restic = await createResticClient(directory, password)
  const kept: { readonly id: string; readonly files: readonly number[] }[] = []
  let stored = 0
  const open = () =>
    createResticRepository({ uploader: createDirectoryUploader({ directory }), password, packBytes, threads: 1, cacheDirectory: false })

  return {
    folder,
    restic,
    open,
    async store(files) {
      const id = `backup-${stored++}`
      await storeContents(open(), id, contentsOf(files))
      kept.push({ id, files })
    },
    async remove(at) {
      const { backups } = await listing(open())
      const [removed] = kept.splice(at, 1)
      await open().remove(backups.filter(({ id }) => id === removed?.id))
    },
    get kept() {
      return kept.length
    },
    async expectRestorable() {
      const repository = open()
      const { backups, problems } = await listing(repository)
      expect(problems).toEqual([])
      expect(backups.map(({ id }) => id).sort()).toEqual(kept.map(({ id }) => id).sort())
      for (const backup of backups) {
        const files = kept.find(({ id }) => id === backup.id)?.files ?? []
        expect(digests(await restoredAtOnce(repository, backup))).toEqual(digests(filesOf(contentsOf(files))))
      }
    },
    async expectWhole() {
      expect(await restic.run(['check', '--read-data'])).toContain('no errors were found')
      const findings = await findingsOf(open(), { readData: true })
      expect(findings.filter(({ severity }) => severity !== 'ok')).toEqual([])
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  }
}

function digests(files: ReadonlyMap<string, Buffer>): Readonly<Record<string, string>> {
  return Object.fromEntries([...files].map(([name, bytes]) => [name, hash('sha256', bytes)]).sort())
}
