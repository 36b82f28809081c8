import type { ByteRange } from './bytes.ts'
import type { FailureCode } from './failure-code.ts'
import type { Backup, ManifestItem } from './manifest.ts'
import type { OperationOptions } from './operation-options.ts'
import type {
  PruneReport,
  PruneRequest,
  RebuildIndexReport,
  RebuildIndexRequest,
  RepositoryKeys,
  RepositoryLock,
  RepositoryStatistics,
  RetainedObject,
} from './repository-maintenance.ts'
import type { StageContents, StagedRun } from './staging.ts'

/** Keeps backups on an uploader, in a published format. Two repositories on the same place may be used at the same time. */
export interface Repository extends AsyncDisposable {
  readonly contract: 'repository/1'
  /** Of the uploader below; printable and free of secrets. */
  readonly destination: string
  readonly supports: {
    /** This host can read what it stores; false where it holds only a recipient's public key. */
    readonly read: boolean
    readonly deduplicates: boolean
    /** Takes files that lie nowhere, as a staging that `streams` gives them. */
    readonly streams?: boolean
    /** `verify` can read one part of the data at a time. */
    readonly verifiesParts?: boolean
  }
  /**
   * Creates the repository, where one must be there before anything is stored; without effect when it is there and opens with these
   * settings. Throws `WRONG_CREDENTIALS` when it does not, and `ALREADY_EXISTS` when something else lies there. Left out by a repository
   * that begins with the first backup.
   */
  initialize?(options?: OperationOptions): Promise<{ readonly created: boolean }>
  /**
   * Drains a stage and commits: the record is written last, so a run that is killed leaves nothing that is listed.
   * A failed item is never offered as restorable. Called again on a resumed stage, sends only what was not sent.
   */
  store(run: StoreRequest, contents: StageContents, options?: OperationOptions): Promise<Backup>
  /** Committed backups, oldest first, from the store alone. A record that cannot be read is reported as a problem and left out. */
  list(filter?: BackupFilter, options?: OperationOptions): AsyncIterable<Backup>
  /** The items of a backup with their files, decrypted where needed. */
  inventory(backup: Backup, options?: OperationOptions): Promise<readonly ManifestItem[]>
  /** The `RESTORE.md` of a backup; `undefined` when it has none. Left out by a repository that keeps none. */
  readGuide?(backup: Backup, options?: OperationOptions): Promise<string | undefined>
  /** What a backup takes in the store, by its record alone; `undefined` when that does not say. Left out by a repository that cannot know, such as one that deduplicates. */
  storedBytes?(backup: Backup): number | undefined
  /** One file, or a range of it. Throws `NOT_FOUND`, `CORRUPTED`, `WRONG_CREDENTIALS`. */
  open(
    backup: Backup,
    file: { readonly item: string; readonly name: string },
    range?: ByteRange,
    options?: OperationOptions,
  ): AsyncIterable<Uint8Array>
  /**
   * The selected files one after the other, in whatever order of items is cheapest and within an item as staged.
   * Each content must be read to its end, or the next is skipped to, before going on.
   */
  read(
    backup: Backup,
    select: (file: { readonly item: string; readonly name: string }) => boolean,
    options?: OperationOptions,
  ): AsyncIterable<RepositoryFile>
  /**
   * One after the other, in this order, each record first, so that a backup half removed is no longer listed. Stops at the first whose record
   * the store retains: that one may need those after it, so they are left as well. Whoever removes several puts what depends on others before them.
   */
  remove(backups: readonly Backup[], options?: OperationOptions): Promise<RemovalReport>
  /** Every backup in turn: structure always, every byte with `readData`. Changes nothing. */
  verify(request?: VerifyRequest, options?: OperationOptions): AsyncIterable<Finding>
  /** Removes what runs that never committed left in the store. Committed backups are never touched. */
  removeUnfinished(request: UnfinishedFilter, options?: OperationOptions): Promise<RemovalReport>
  /** Who can open it. Left out by a repository that is not opened with a password. */
  readonly keys?: RepositoryKeys
  /**
   * Gives back what no backup uses; removes no backup. Whenever it is cut every backup is whole, and the next one goes on. Throws
   * `CONFLICT` while others work on the repository, and `CORRUPTED`, having removed nothing, when it cannot be known what is used. Left
   * out by a repository in which `remove` leaves nothing behind.
   */
  prune?(request?: PruneRequest, options?: OperationOptions): Promise<PruneReport>
  /** Makes the index say what is stored, after index files were lost or damaged. Throws `CONFLICT`. Left out where there is no index. */
  rebuildIndex?(request?: RebuildIndexRequest, options?: OperationOptions): Promise<RebuildIndexReport>
  /** What the repository holds and what it takes. Changes nothing. Left out by a repository that cannot know. */
  stats?(options?: OperationOptions): Promise<RepositoryStatistics>
  /** Who works on the repository now, or did when they were killed. Changes nothing. Left out by a repository without locks, as is `unlock`. */
  locks?(options?: OperationOptions): Promise<readonly RepositoryLock[]>
  /** Removes the locks of processes that are dead, or all: only for who knows that nobody works on it. Returns how many. */
  unlock?(which?: 'stale' | 'all', options?: OperationOptions): Promise<number>
}

export interface UnfinishedFilter {
  /** Only where the newest object is older: a younger one may be of a run that is going on. */
  readonly olderThanSeconds: number
  readonly job?: string
  /** Only what these runs left. */
  readonly runs?: readonly string[]
}

export interface StoreRequest {
  readonly run: StagedRun
  readonly agent: { readonly version: string }
}

export interface BackupFilter {
  readonly job?: string
  readonly id?: string
  /** ISO 8601 in UTC. Backups that began before are left out; where it can, a repository does not read their records. */
  readonly beganSince?: string
}

export interface RepositoryFile {
  readonly item: string
  readonly name: string
  readonly size: number
  readonly content: AsyncIterable<Uint8Array>
}

export interface RemovalReport {
  readonly removed: readonly string[]
  readonly bytes: number
  readonly retained: readonly RetainedObject[]
}

export interface VerifyRequest {
  readonly readData?: boolean
  /** With `readData`: one part of so many of the data, counted from 1; only where `supports.verifiesParts`. */
  readonly subset?: { readonly part: number; readonly of: number }
  readonly job?: string
  readonly id?: string
}

export interface Finding {
  /** `ok`: this backup was checked and is whole. */
  readonly severity: 'ok' | 'warning' | 'error'
  readonly backup?: string
  readonly key?: string
  readonly code?: FailureCode
  readonly message: string
  readonly hint?: string
}
