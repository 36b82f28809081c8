import type { OperationOptions } from './operation-options.ts'

/** What the store refuses to remove now, such as a locked object, with the reason. */
export interface RetainedObject {
  readonly key: string
  readonly reason: string
}

/**
 * Several passwords may open one repository. It is opened with the setting `password`, so that whoever changes that one knows where it
 * stands. Messages hold no password.
 */
export interface RepositoryKeys {
  /** Oldest first. */
  list(options?: OperationOptions): Promise<readonly RepositoryKey[]>
  /** Another password that opens the repository from now on. Returns the id of its key. */
  add(password: string, options?: OperationOptions): Promise<string>
  /**
   * By its id or the beginning of it; returns the whole id. Throws `CONFLICT` for the key that the repository was opened with,
   * `NOT_FOUND`, and `INVALID_INPUT` when several begin like this.
   */
  remove(id: string, options?: OperationOptions): Promise<string>
  /** Replaces the key that the repository was opened with; the new one opens before the old one goes. Returns the id of the new one. */
  changePassword(password: string, options?: OperationOptions): Promise<string>
}

export interface RepositoryKey {
  readonly id: string
  /** Of who made it. */
  readonly hostname: string
  readonly username: string
  /** ISO 8601. */
  readonly created: string
  /** The one that this repository was opened with. */
  readonly current: boolean
}

export interface RepositoryLock {
  /** ISO 8601, when it was made or last refreshed, by the clock of who holds it; empty when it cannot be read. */
  readonly time: string
  /** Nobody else may work on the repository meanwhile, not even store. */
  readonly exclusive: boolean
  readonly hostname: string
  readonly username: string
  readonly pid: number
  /** Its process is dead as far as can be known: it keeps nobody from anything. */
  readonly stale: boolean
}

export interface PruneRequest {
  /** Only says what would be done. */
  readonly dryRun?: boolean | undefined
}

/** What was done, or would be. */
export interface PruneReport {
  readonly dryRun: boolean
  /** Bytes that the store holds less. */
  readonly removedBytes: number
  /** Bytes that backups need. */
  readonly usedBytes: number
  /** Bytes that nobody uses and that stay for now: too little to be worth the work, too young, or not to be removed. */
  readonly keptUnusedBytes: number
  /** The part of them that is too young: a run that is going on, or is resumed, may need it. */
  readonly youngUnusedBytes: number
  /** A later prune removes it. */
  readonly retained: readonly RetainedObject[]
}

export interface RebuildIndexRequest {
  /** Believes no index file; else only what is missing in them is read. */
  readonly readAll?: boolean | undefined
}

export interface RebuildIndexReport {
  readonly indexFilesWritten: number
  readonly indexFilesRemoved: number
  /** Containers of data that cannot be read, by their keys, with the reason. They are left as they are. */
  readonly damagedPacks: readonly { readonly key: string; readonly reason: string }[]
  /** Keys of containers that the index named and that are not there. */
  readonly missingPacks: readonly string[]
  readonly retained: readonly RetainedObject[]
}

export interface RepositoryStatistics {
  readonly backups: number
  /** What everything takes in the store. */
  readonly storedBytes: number
  /** The part of it that `prune` can give back. */
  readonly unusedBytes: number
  /** What restoring every backup would write. */
  readonly contentBytes: number
  /** `contentBytes` for each byte in the store; `undefined` for an empty repository. */
  readonly ratio: number | undefined
  readonly jobs: readonly JobStatistics[]
}

export interface JobStatistics {
  readonly job: string
  readonly backups: number
  readonly contentBytes: number
  /** What its backups need of the store. */
  readonly usedBytes: number
  /** The part of it that nothing else needs: what could be given back once the job's backups are removed. */
  readonly ownBytes: number
}
