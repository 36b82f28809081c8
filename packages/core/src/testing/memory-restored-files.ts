import { createReadStream } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Backup, Repository, RestoredFileFacts, RestoredFiles } from '../contracts/index.ts'
import { throwIfAborted } from '../errors/backup-error.ts'
import { bytesOf } from './chunks-of.ts'

/** The files of these backups as a restoring agent gets them, each copied into `scratch` until it is released. */
export async function restoredFilesOf(repository: Repository, backups: readonly Backup[], scratch: string): Promise<RestoredFiles> {
  const inventory: RestoredFileFacts[] = []
  for (const backup of backups) {
    for (const item of await repository.inventory(backup)) {
      for (const file of item.failure === undefined ? (item.files ?? []) : [])
        inventory.push({ backup: backup.id, item: item.item, ...file })
    }
  }
  let copies = 0
  return {
    inventory,
    async *stream(select, options = {}) {
      for (const facts of inventory.filter(select)) {
        throwIfAborted(options.signal, `read of ${facts.name}`)
        const backup = backups.find((candidate) => candidate.id === facts.backup)
        if (backup === undefined) continue
        const folder = join(scratch, String(copies++))
        const path = join(folder, 'file')
        await mkdir(folder, { recursive: true, mode: 0o700 })
        await writeFile(path, await bytesOf(repository.open(backup, facts, undefined, options)), { mode: 0o600 })
        yield {
          ...facts,
          path,
          open: (range) =>
            createReadStream(path, range === undefined ? {} : { start: range.begin, end: (range.end ?? Number.POSITIVE_INFINITY) - 1 }),
          release: () => rm(folder, { recursive: true, force: true }),
        }
      }
    },
  }
}
