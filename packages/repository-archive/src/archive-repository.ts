import { type Repository, type RepositoryFile, throwIfAborted, type Uploader } from '@backup-planet/core'
import type { ArchiveContext } from './archive-context.ts'
import { itemsWithFiles } from './archive-inventory.ts'
import { ArchiveKeys } from './archive-keys.ts'
import { listBackups } from './archive-list.ts'
import { ArchiveReader } from './archive-reader.ts'
import { removeBackups, removeUnfinished } from './archive-removal.ts'
import { type ArchiveSettings, resolveArchiveSettings } from './archive-settings.ts'
import { storageOf, storedObjects } from './archive-storage.ts'
import { ArchiveStore } from './archive-store.ts'
import { verifyBackups } from './archive-verify.ts'

/**
 * A repository of plain archives and a manifest a backup, readable with `tar`, `unzip`, `zstd` and `age` alone.
 * Throws `INVALID_SETTINGS`. Connects to nothing. Disposing it disposes the uploader.
 */
export function createArchiveRepository(settings: ArchiveSettings & { readonly uploader: Uploader }): Repository {
  const { uploader, ...rest } = settings
  const resolved = resolveArchiveSettings(rest)
  const context: ArchiveContext = { uploader, settings: resolved, keys: new ArchiveKeys(uploader, resolved) }

  return {
    contract: 'repository/1',
    destination: uploader.destination,
    supports: { read: resolved.encryption === undefined || !context.keys.none, deduplicates: false },

    async store(request, contents, options = {}) {
      return new ArchiveStore(context, request, contents, options).run()
    },

    list: (filter = {}, options = {}) => listBackups(context, filter, options),

    async inventory(backup, options = {}) {
      throwIfAborted(options.signal, 'reading the inventory')
      const reader = new ArchiveReader(context, backup, options)
      await reader.contents()
      return itemsWithFiles(backup, await reader.inventory())
    },

    async readGuide(backup, options = {}) {
      throwIfAborted(options.signal, 'reading the guide')
      return new ArchiveReader(context, backup, options).guide()
    },

    storedBytes(backup) {
      if (backup.storage.format !== 'archive/1') return undefined
      return storedObjects(storageOf(backup)).reduce((sum, { size }) => sum + size, 0)
    },

    async *open(backup, file, range, options = {}) {
      throwIfAborted(options.signal, 'reading the backup')
      yield* new ArchiveReader(context, backup, options).open(file, range)
    },

    async *read(backup, select, options = {}): AsyncIterable<RepositoryFile> {
      throwIfAborted(options.signal, 'reading the backup')
      for await (const { item, name, size, content } of new ArchiveReader(context, backup, options).read(select))
        yield { item, name, size, content }
    },

    remove: (backups, options = {}) => removeBackups(context, backups, options),

    verify: (request = {}, options = {}) => verifyBackups(context, request, options),

    removeUnfinished: (request, options = {}) => removeUnfinished(context, request, options),

    async [Symbol.asyncDispose]() {
      await uploader[Symbol.asyncDispose]()
    },
  }
}
