import { DeleteObjectCommand, DeleteObjectsCommand } from '@aws-sdk/client-s3'
import { BackupError, type RetainedObject, throwIfAborted } from '@backup-planet/core'
import { patiently } from '../client/patient-requests.ts'
import type { S3Store } from '../client/s3-store.ts'
import { classifyS3Error, isS3Error, statusOf } from '../s3-errors.ts'
import { lockOf, locksOf } from './object-locks.ts'
import { keyParameters } from './object-parameters.ts'

/** Limit of one request (Amazon S3 API Reference, DeleteObjects). */
const mostKeys = 1000

/**
 * Succeeds when there is none. A bucket with object lock keeps versions: there this removal hides what is locked, as must be possible for locks of
 * repositories where the bucket locks everything, and only where the store refuses it is it an error, which says until when the object is locked.
 */
export async function removeObject(store: S3Store, key: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await store.send(new DeleteObjectCommand(keyParameters(store, key)), signal)
  } catch (error) {
    if (isS3Error(error, 'NoSuchKey', 'NotFound')) return
    const lock = classifyS3Error(error) === 'ACCESS_DENIED' ? await lockOf(store, key, signal) : undefined
    throw lock === undefined ? error : locked(store, key, lock, error)
  }
}

function locked(store: S3Store, key: string, lock: string, cause: unknown): BackupError {
  return new BackupError(`removal of ${key} was refused at ${store.place.destination}: it is locked ${lock}`, {
    code: 'ACCESS_DENIED',
    hint: 'Remove it after the lock has ended, or end a legal hold first. If it can be removed by others, these credentials lack the right to.',
    cause: new Error((cause as Error).message),
  })
}

/**
 * Many in one request, where the store can; one by one where it cannot. Resolves with what is locked, which is left where it is and not hidden, and with what
 * the store refuses to remove, each with its reason: all others are gone.
 */
export async function removeObjects(
  store: S3Store,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly RetainedObject[]> {
  const locks = await locksOf(store, keys, signal)
  const free = locks.size === 0 ? keys : keys.filter((key) => !locks.has(key))
  const retained = [...locks].map(([key, lock]) => ({ key, reason: `it is locked ${lock} at ${store.place.destination}` }))
  return [...retained, ...(await removeUnlocked(store, free, signal))]
}

async function removeUnlocked(
  store: S3Store,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<readonly RetainedObject[]> {
  let bulk = store.settings.profile.bulkRemoval
  // XML 1.0 has no way to write control characters.
  const singles = keys.filter((key) => !bulk || /\p{Cc}/u.test(key))
  const many = keys.filter((key) => bulk && !/\p{Cc}/u.test(key))
  for (let at = 0; at < many.length; at += mostKeys) {
    throwIfAborted(signal, 'removal')
    const some = many.slice(at, at + mostKeys)
    const left = bulk ? await removeTogether(store, some, signal) : some
    bulk = left.length < some.length
    singles.push(...left)
  }
  const retained: RetainedObject[] = []
  for (let at = 0; at < singles.length; at += store.settings.concurrency) {
    throwIfAborted(signal, 'removal')
    const some = singles.slice(at, at + store.settings.concurrency)
    const refused = await Promise.all(some.map((key) => removeUnlessRefused(store, key, signal)))
    retained.push(...refused.filter((object) => object !== undefined))
  }
  return retained
}

async function removeUnlessRefused(store: S3Store, key: string, signal: AbortSignal | undefined): Promise<RetainedObject | undefined> {
  try {
    await patiently(() => removeObject(store, key, signal), { signal })
    return undefined
  } catch (error) {
    const code = BackupError.is(error) ? error.code : classifyS3Error(error)
    if (code !== 'ACCESS_DENIED') throw error
    return { key, reason: BackupError.is(error) ? error.message : `removal of ${key} was refused at ${store.place.destination}` }
  }
}

/** Resolves with what is left to be removed one by one: all where the store does not know such a request, and what it refuses, which then says why. */
async function removeTogether(store: S3Store, keys: readonly string[], signal: AbortSignal | undefined): Promise<readonly string[]> {
  let left = keys
  const refused: string[] = []
  try {
    await patiently(
      async () => {
        const { output } = await store.send(
          new DeleteObjectsCommand({
            Bucket: store.settings.bucket,
            Delete: { Quiet: true, Objects: left.map((key) => ({ Key: store.objectKey(key) })) },
          }),
          signal,
        )
        const failed = (output.Errors ?? []).filter(({ Code }) => Code !== 'NoSuchKey')
        const isRefused = ({ Code }: { readonly Code?: string | undefined }) => classifyS3Error({ name: Code }) === 'ACCESS_DENIED'
        const keysOf = (errors: typeof failed) => errors.flatMap(({ Key }) => store.keyOf(Key ?? '') ?? [])
        refused.push(...keysOf(failed.filter(isRefused)))
        const others = failed.filter((error) => !isRefused(error))
        left = keysOf(others)
        const [first] = others
        if (first !== undefined) throw notRemoved(first, others.length, keys.length)
      },
      { signal },
    )
    return refused
  } catch (error) {
    const unknown = statusOf(error) === 501 || isS3Error(error, 'NotImplemented', 'MalformedXML', 'InvalidArgument')
    if (!BackupError.is(error) && (unknown || classifyS3Error(error) === 'ACCESS_DENIED')) return [...refused, ...left]
    throw error
  }
}

function notRemoved(
  first: { readonly Key?: string | undefined; readonly Code?: string | undefined; readonly Message?: string | undefined },
  failed: number,
  all: number,
): BackupError {
  return new BackupError(`${failed} of ${all} objects were not removed, ${first.Key ?? ''} with ${first.Code ?? 'an error'}`, {
    code: classifyS3Error({ name: first.Code }),
    hint: 'The others are gone; try again to remove the rest.',
    cause: new Error(first.Message ?? first.Code ?? 'no reason given'),
  })
}
