import { GetObjectLockConfigurationCommand, type HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import { patiently } from '../client/patient-requests.ts'
import type { S3Store } from '../client/s3-store.ts'
import { classifyS3Error, isS3Error, statusOf } from '../s3-errors.ts'
import { headObject } from './object-stat.ts'

/** Whether objects of a bucket can be locked, once it was asked; `undefined` where nobody has answered yet. It is decided for good when versions are turned on. */
const lockable = new WeakMap<S3Store, boolean | undefined>()

/** What locks an object, in words; `undefined` when nothing does, or nobody may know. */
export async function lockOf(store: S3Store, key: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  return lockIn(await headObject(store, key, signal).catch(() => undefined))
}

function lockIn(found: HeadObjectCommandOutput | undefined): string | undefined {
  const until = found?.ObjectLockRetainUntilDate
  if (found?.ObjectLockLegalHoldStatus === 'ON') return 'by a legal hold'
  return until !== undefined && until > new Date()
    ? `until ${until.toISOString()} (${found?.ObjectLockMode ?? 'no mode given'})`
    : undefined
}

/**
 * What locks each of these objects, by its key. A bucket with locks keeps versions, and answers the removal of a locked object with success: it hides
 * it and keeps its bytes. So it is asked beforehand, object by object, but only where there can be locks; what these credentials may not see is none.
 */
export async function locksOf(
  store: S3Store,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, string>> {
  const locks = new Map<string, string>()
  const left = keys.values()
  const lane = async (): Promise<void> => {
    for (const key of left) {
      if ((await hasLocks(store, signal)) === false) return
      const found = await patiently(() => headObject(store, key, signal), { signal }).catch(unlessDenied)
      // Locks need versions, and an object of a bucket that keeps them says which one it is; `null` for one from before that, which says nothing of the others.
      if (found !== undefined && found.VersionId !== 'null' && lockable.get(store) === undefined)
        lockable.set(store, found.VersionId !== undefined)
      const lock = lockIn(found)
      if (lock !== undefined) locks.set(key, lock)
    }
  }
  await hasLocks(store, signal)
  const lanes = Array.from({ length: Math.min(store.settings.concurrency, keys.length) }, lane)
  const ended = await Promise.allSettled(lanes)
  for (const one of ended) if (one.status === 'rejected') throw one.reason
  return locks
}

/** Whether the bucket has locks; `undefined` where these credentials may not ask and no object has told yet. */
async function hasLocks(store: S3Store, signal: AbortSignal | undefined): Promise<boolean | undefined> {
  if (lockable.has(store)) return lockable.get(store)
  try {
    const request = () => store.send(new GetObjectLockConfigurationCommand({ Bucket: store.settings.bucket }), signal)
    const { output } = await patiently(request, { signal })
    lockable.set(store, output.ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled')
  } catch (error) {
    if (isS3Error(error, 'ObjectLockConfigurationNotFoundError', 'NoSuchObjectLockConfiguration')) lockable.set(store, false)
    else {
      unlessUnanswerable(error)
      lockable.set(store, undefined)
    }
  }
  return lockable.get(store)
}

function unlessUnanswerable(error: unknown): void {
  if (statusOf(error) === 501 || statusOf(error) === 400) return
  if (!['ACCESS_DENIED', 'UNSUPPORTED', 'NOT_FOUND', 'INVALID_INPUT'].includes(classifyS3Error(error))) throw error
}

function unlessDenied(error: unknown): undefined {
  if (classifyS3Error(error) !== 'ACCESS_DENIED') throw error
}
