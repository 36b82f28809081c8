import type { ByteRange, Reopenable } from './bytes.ts'
import type { FailureCode } from './failure-code.ts'
import type { OperationOptions } from './operation-options.ts'
import type { Problem } from './problem.ts'
import type { RetainedObject } from './repository-maintenance.ts'

/** Before the keys of objects that a check stores and removes again. No repository keeps anything there: names of jobs begin with a letter or digit. */
export const checkKeyPrefix = '.backup-planet-check/'

/** Before the keys of leases, which say who works on a job. No repository keeps anything there either. */
export const leaseKeyPrefix = '.backup-planet-leases/'

/**
 * Whether an object is there for moments only, to be replaced and removed again. An uploader that keeps objects from being removed, such as by retention or a
 * legal hold, does not do so with these: each heartbeat would be a version that nobody may remove.
 */
export function isPassingKey(key: string): boolean {
  return key.startsWith(checkKeyPrefix) || key.startsWith(leaseKeyPrefix)
}

/**
 * Stores objects under keys in one remote place. Keys are `/`-separated, without empty, `.` or `..` segments.
 * The place must be durable and must show an object as soon as its upload has resolved.
 */
export interface Uploader extends AsyncDisposable {
  readonly contract: 'uploader/1'
  /** Printable and free of secrets, such as `s3://bucket/prefix`. */
  readonly destination: string
  readonly supports: {
    /** An object is replaced in one step. Where it is not, readers may find neither the old one nor the new one for a moment, and never half of one. */
    readonly atomicReplace: boolean
    /** How many transfers make sense at once. */
    readonly concurrency: number
    readonly rangeRead: boolean
    /** An interrupted upload of the same content under the same key goes on where it stopped. */
    readonly resume: boolean
  }
  /**
   * All or nothing: until it resolves readers see the old object or none, and a failed or aborted upload leaves none
   * of its own. Content that ends early, is longer, or has another hash than announced fails with `CORRUPTED`; the hash of content that is
   * `unchanging` need not be looked at. Once it has settled, either way, nothing of the content is read or held any more: its memory is used
   * again.
   */
  upload(key: string, content: Reopenable, options?: OperationOptions): Promise<RemoteObject>
  /** Throws `NOT_FOUND` on the first read when there is no such object. Each chunk belongs to the caller, who may overwrite it or let it go. */
  download(key: string, range?: ByteRange, options?: OperationOptions): AsyncIterable<Uint8Array>
  /** `undefined` when there is no such object. */
  stat(key: string, options?: OperationOptions): Promise<RemoteObject | undefined>
  /** Every object whose key begins with `prefix` (plain text, not only whole segments), in no promised order. */
  list(prefix: string, options?: OperationOptions): AsyncIterable<RemoteObject>
  /** Succeeds when there is none. */
  remove(key: string, options?: OperationOptions): Promise<void>
  /**
   * Removes all of them, in as few requests as the store allows; succeeds where there is none. Resolves with those that the store refuses to remove now,
   * such as locked ones, which stay where they are, also where `remove` could hide them: all others are gone. Rejects with anything else, and then any of them may be gone. Left out by an uploader that
   * has nothing better than `remove`.
   */
  removeAll?(keys: readonly string[], options?: OperationOptions): Promise<readonly RetainedObject[]>
  /**
   * Tries everything that this uploader asks of its store, on objects below {@link checkKeyPrefix} that it removes again, and says what the
   * store or the credentials do not allow: `error` where backups could not be stored or read back, `warning` where less works. Empty
   * when all is well. Rejects only with `ABORTED`. Left out by an uploader for which writing, reading and removing an object is all there
   * is to try, which everybody can do by the other methods.
   */
  check?(options?: OperationOptions): Promise<readonly Problem[]>
  /** Names the failure behind an error of this uploader's client library. */
  classify(error: unknown): FailureCode
}

export interface RemoteObject {
  readonly key: string
  readonly size: number
  /** ISO 8601 in UTC, by the clock of the store. */
  readonly modifiedAt: string
  /** Lower-case hex, where the store or the upload itself knows it. */
  readonly sha256?: string
}
