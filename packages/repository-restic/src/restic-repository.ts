import {
  type OperationOptions,
  type RebuildIndexRequest,
  type Repository,
  type RepositoryLock,
  throwIfAborted,
  type Uploader,
} from '@backup-planet/core'
import { openFile, readFiles, readGuide, readInventory } from './backups/backup-reading.ts'
import { removeBackups } from './backups/backup-removal.ts'
import { listBackups } from './backups/snapshot-catalog.ts'
import type { StorageId } from './format/storage-id.ts'
import { type ResticRebuildReport, rebuildIndex } from './maintenance/index-rebuilding.ts'
import { pruneRepository, type ResticPruneReport, type ResticPruneRequest } from './maintenance/repository-pruning.ts'
import { type ResticStatistics, readStatistics } from './maintenance/repository-statistics.ts'
import { initializeRepository, writableConfig } from './repository-access.ts'
import { addKey, changePassword, listKeys, type RepositoryKey, removeKey } from './repository-keys.ts'
import { findLocks, lockRepository, removeLocks } from './repository-lock.ts'
import { ResticSession } from './restic-session.ts'
import type { ResticSettings } from './restic-settings.ts'
import { resolveResticSettings } from './restic-settings.ts'
import { type SnapshotEntry, snapshotEntries } from './snapshots/snapshot-entries.ts'
import { type ExtractSnapshotReport, type ExtractSnapshotRequest, extractSnapshot } from './snapshots/snapshot-extraction.ts'
import { listSnapshots, type Snapshot } from './snapshots/snapshot-listing.ts'
import { type ResticVerifyRequest, verifyRepository } from './verify/repository-verification.ts'
import { storeBackup } from './write/restic-store.ts'

/** A repository in restic's own format, with what only such a one can do. */
export interface ResticRepository extends Repository {
  /** Creates the repository; without effect when it is there and opens with the password. */
  initialize(options?: OperationOptions): Promise<{ readonly created: boolean }>
  /** As in every repository, and with a part of the data at a time. */
  verify(request?: ResticVerifyRequest, options?: OperationOptions): ReturnType<Repository['verify']>
  /** Every snapshot, whoever made it, oldest first; `list` gives those that are backups of ours. One that is damaged is told as a problem. */
  snapshots(options?: OperationOptions): AsyncIterable<Snapshot>
  /**
   * Everything in a snapshot, folders before what is in them. `snapshot` is its id or the beginning of it. Throws `NOT_FOUND`,
   * `INVALID_INPUT` when several begin like this, and `CORRUPTED`.
   */
  entries(snapshot: string, options?: OperationOptions): AsyncIterable<SnapshotEntry>
  /** Writes what is in a snapshot into a directory; see {@link extractSnapshot}. */
  extract(snapshot: string, request: ExtractSnapshotRequest, options?: OperationOptions): Promise<ExtractSnapshotReport>
  readonly keys: {
    list(options?: OperationOptions): Promise<readonly RepositoryKey[]>
    /** Another password that opens the repository. Returns the key's id. */
    add(password: string, options?: OperationOptions): Promise<StorageId>
    /** By its id or the beginning of it. */
    remove(id: string, options?: OperationOptions): Promise<StorageId>
    /** Replaces the key that this repository was opened with. Throws nothing away before the new one opens. */
    changePassword(password: string, options?: OperationOptions): Promise<StorageId>
  }
  /** Removes what no snapshot uses and keeps packs well filled; see {@link pruneRepository}. */
  prune(request?: ResticPruneRequest, options?: OperationOptions): Promise<ResticPruneReport>
  /** Makes the index say what the packs hold; see {@link rebuildIndex}. */
  rebuildIndex(request?: RebuildIndexRequest, options?: OperationOptions): Promise<ResticRebuildReport>
  /** What the repository holds, and what it takes in the store; see {@link readStatistics}. */
  stats(options?: OperationOptions): Promise<ResticStatistics>
  /** Of restic as well. One that cannot be read counts as exclusive. */
  locks(options?: OperationOptions): Promise<readonly RepositoryLock[]>
  /** Removes locks of processes that are dead, or all; returns how many. */
  unlock(which?: 'stale' | 'all', options?: OperationOptions): Promise<number>
}

/**
 * A repository that restic itself reads, checks and prunes: format version 2 of its `doc/design.rst`; version 1 is read only.
 * Throws `INVALID_SETTINGS`. Connects to nothing. Disposing it disposes the uploader.
 */
export function createResticRepository(settings: ResticSettings & { readonly uploader: Uploader }): ResticRepository {
  const { uploader, ...rest } = settings
  const resolved = resolveResticSettings(rest)
  const session = new ResticSession(uploader, resolved)
  const { waitForLockMilliseconds: waitMilliseconds } = resolved

  return {
    contract: 'repository/1',
    destination: uploader.destination,
    supports: { read: true, deduplicates: true, streams: true, verifiesParts: true },

    async initialize(options = {}) {
      throwIfAborted(options.signal, 'creating the repository')
      if ((await uploader.stat('config', { signal: options.signal })) !== undefined) {
        await session.open(options)
        return { created: false }
      }
      await initializeRepository(uploader, { password: resolved.password }, options)
      return { created: true }
    },

    store: (request, contents, options = {}) => storeBackup(session, request, contents, options),
    list: (filter = {}, options = {}) => listBackups(session, filter, options),

    async inventory(backup, options = {}) {
      throwIfAborted(options.signal, 'reading the inventory')
      return readInventory(session, backup, options)
    },
    async readGuide(backup, options = {}) {
      throwIfAborted(options.signal, 'reading the guide')
      return readGuide(session, backup, options)
    },
    open: (backup, file, range, options = {}) => openFile(session, backup, file, range, options),
    read: (backup, select, options = {}) => readFiles(session, backup, select, options),
    remove: (backups, options = {}) => removeBackups(session, backups, options),
    verify: (request = {}, options = {}) => verifyRepository(session, request, options),

    /** Nothing of such a run is in the way: the next one uses what it had sent, and prune removes what nobody uses. */
    async removeUnfinished(_request, options = {}) {
      throwIfAborted(options.signal, 'removing unfinished runs')
      return { removed: [], bytes: 0, retained: [] }
    },

    snapshots: (options = {}) => listSnapshots(session, options),
    entries: (snapshot, options = {}) => snapshotEntries(session, snapshot, options),
    extract: (snapshot, request, options = {}) => extractSnapshot(session, snapshot, request, options),

    keys: {
      async list(options = {}) {
        throwIfAborted(options.signal, 'listing the keys')
        return (await listKeys(await session.open(options), options)).keys
      },
      async add(password, options = {}) {
        throwIfAborted(options.signal, 'adding a key')
        const repository = await session.openForWriting(options)
        writableConfig(repository)
        await using _ = await lockRepository(repository, { exclusive: false, waitMilliseconds }, options)
        return await addKey(repository, password, options)
      },
      async remove(id, options = {}) {
        throwIfAborted(options.signal, 'removing a key')
        const repository = await session.openForWriting(options)
        writableConfig(repository)
        await using _ = await lockRepository(repository, { exclusive: true, waitMilliseconds }, options)
        return await removeKey(repository, id, options)
      },
      async changePassword(password, options = {}) {
        throwIfAborted(options.signal, 'changing the password')
        const repository = await session.openForWriting(options)
        writableConfig(repository)
        await using _ = await lockRepository(repository, { exclusive: true, waitMilliseconds }, options)
        const id = await changePassword(repository, password, options)
        session.usePassword(password)
        return id
      },
    },

    prune: (request = {}, options = {}) => pruneRepository(session, request, options),
    rebuildIndex: (request = {}, options = {}) => rebuildIndex(session, request, options),
    stats: (options = {}) => readStatistics(session, options),

    async locks(options = {}) {
      throwIfAborted(options.signal, 'looking for locks')
      const locks = await findLocks(await session.open(options), options)
      return locks.map(({ time, exclusive, hostname, username, pid, stale }) => ({ time, exclusive, hostname, username, pid, stale }))
    },
    async unlock(which = 'stale', options = {}) {
      throwIfAborted(options.signal, 'removing locks')
      return removeLocks(await session.open(options), which, options)
    },

    async [Symbol.asyncDispose]() {
      await uploader[Symbol.asyncDispose]()
    },
  }
}
