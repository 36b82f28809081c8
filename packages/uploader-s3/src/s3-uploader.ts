import {
  type ByteRange,
  type OperationOptions,
  type Problem,
  type RemoteObject,
  type Reopenable,
  type RetainedObject,
  throwIfAborted,
  type Uploader,
} from '@backup-planet/core'
import { createS3Store } from './client/s3-store.ts'
import { createLeftovers } from './multipart/leftovers.ts'
import { createPartMemory } from './multipart/part-memory.ts'
import { createUploadJournals } from './multipart/upload-journal.ts'
import { createUploadMarks } from './multipart/upload-marks.ts'
import { downloadObject } from './objects/object-download.ts'
import { assertKey } from './objects/object-key.ts'
import { listObjects } from './objects/object-listing.ts'
import { removeObject, removeObjects } from './objects/object-removal.ts'
import { statObject } from './objects/object-stat.ts'
import { uploadObject } from './objects/object-upload.ts'
import { classifyS3Error, s3Error } from './s3-errors.ts'
import { resolveS3Settings, type S3UploaderSettings } from './s3-settings.ts'
import { checkStore } from './store-check.ts'

export interface S3Uploader extends Uploader {
  removeAll(keys: readonly string[], options?: OperationOptions): Promise<readonly RetainedObject[]>
  /**
   * Removes multipart uploads below the prefix to which nothing was sent for so long (7 days when left out), by the clock of the store,
   * and which are not on their way here, and what journals of earlier processes know; and at once what an earlier process of this machine
   * was killed over and nobody can go on with. Happens by itself beside the first upload. Resolves with how many were removed. What cannot
   * be removed does not keep the others: it rejects at the end.
   */
  removeAbandonedUploads(request?: { readonly olderThanSeconds?: number }, options?: OperationOptions): Promise<number>
  /**
   * Tries what this uploader needs on objects of random names below `.backup-planet-check/`, removes them, and says what the store or its
   * credentials do not allow. Empty when all is well.
   */
  check(options?: OperationOptions): Promise<readonly Problem[]>
}

/** A store that does not answer must not keep the end of a run waiting for what a later one can do as well. */
const closeWithinMilliseconds = 5000
/** Nor the caller of an upload that was aborted. */
const tidyAfterAbortMilliseconds = 3000

/**
 * Keeps objects in a bucket of AWS S3 or of a store that speaks its protocol: key = prefix + "/" + key. An object appears when the
 * store has confirmed all of it by checksum. Connects with the first operation. Throws `INVALID_SETTINGS`.
 */
export function createS3Uploader(settings: S3UploaderSettings): S3Uploader {
  const resolved = resolveS3Settings(settings)
  const store = createS3Store(resolved)
  const { place } = store
  const journals = resolved.journalDirectory === undefined ? undefined : createUploadJournals(resolved.journalDirectory, place.destination)
  const marks = resolved.journalDirectory === undefined ? undefined : createUploadMarks(resolved.journalDirectory, place.destination)
  const leftovers = createLeftovers(store, journals, marks)
  const memory = createPartMemory(resolved.memoryBytes)
  let firstUpload: Promise<unknown> | undefined
  const closing = new AbortController()

  async function named<Result>(what: string, act: () => Promise<Result>): Promise<Result> {
    try {
      return await act()
    } catch (error) {
      throw s3Error(error, what, place)
    }
  }

  async function* namedEach<Value>(what: string, source: AsyncIterable<Value>): AsyncGenerator<Value, void> {
    try {
      yield* source
    } catch (error) {
      throw s3Error(error, what, place)
    }
  }

  return {
    contract: 'uploader/1',
    destination: place.destination,
    supports: { atomicReplace: true, concurrency: resolved.concurrency, rangeRead: true, resume: journals !== undefined },

    async upload(key: string, content: Reopenable, { signal }: OperationOptions = {}): Promise<RemoteObject> {
      const what = `upload of ${key}`
      throwIfAborted(signal, what)
      assertKey(store, key)
      firstUpload ??= leftovers.removeAbandoned(resolved.abandonedAfterSeconds, closing.signal).catch(() => undefined)
      await leftovers.tidy(signal)
      try {
        return await named(what, () => uploadObject({ store, memory, journals, marks, leftovers }, key, content, signal))
      } finally {
        await leftovers.tidy(signal?.aborted ? AbortSignal.timeout(tidyAfterAbortMilliseconds) : signal)
      }
    },

    async *download(key: string, range?: ByteRange, { signal }: OperationOptions = {}) {
      throwIfAborted(signal, `download of ${key}`)
      assertKey(store, key)
      yield* namedEach(`download of ${key}`, downloadObject(store, key, range, signal))
    },

    async stat(key: string, { signal }: OperationOptions = {}) {
      throwIfAborted(signal, `stat of ${key}`)
      assertKey(store, key)
      return await named(`stat of ${key}`, () => statObject(store, key, signal))
    },

    async *list(prefix: string, { signal }: OperationOptions = {}) {
      throwIfAborted(signal, `list of ${prefix}`)
      yield* namedEach(`list of ${prefix}`, listObjects(store, prefix, signal))
    },

    async remove(key: string, { signal }: OperationOptions = {}) {
      throwIfAborted(signal, `removal of ${key}`)
      assertKey(store, key)
      await named(`removal of ${key}`, () => removeObject(store, key, signal))
    },

    async removeAll(keys: readonly string[], { signal }: OperationOptions = {}) {
      throwIfAborted(signal, `removal of ${keys.length} objects`)
      for (const key of keys) assertKey(store, key)
      return await named(`removal of ${keys.length} objects`, () => removeObjects(store, keys, signal))
    },

    async removeAbandonedUploads({ olderThanSeconds = resolved.abandonedAfterSeconds } = {}, { signal }: OperationOptions = {}) {
      throwIfAborted(signal, 'removal of abandoned uploads')
      await leftovers.tidy(signal)
      return await named('removal of abandoned uploads', () => leftovers.removeAbandoned(olderThanSeconds, signal))
    },

    async check({ signal }: OperationOptions = {}) {
      throwIfAborted(signal, `check of ${place.destination}`)
      return await checkStore(store, signal)
    },

    classify: classifyS3Error,

    async [Symbol.asyncDispose]() {
      const timer = setTimeout(() => closing.abort(), closeWithinMilliseconds)
      await firstUpload
      clearTimeout(timer)
      await leftovers.tidy(AbortSignal.timeout(closeWithinMilliseconds))
      store.close()
    },
  }
}
