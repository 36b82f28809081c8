import { DeleteObjectCommand, DeleteObjectsCommand } from '@aws-sdk/client-s3'
import { BackupError, throwIfAborted } from '@backup-planet/core'
import { patiently } from '../client/patient-requests.ts'
import type { S3Store } from '../client/s3-store.ts'
import { classifyS3Error, isS3Error, statusOf } from '../s3-errors.ts'
import { keyParameters } from './object-parameters.ts'

/** Limit of one request (Amazon S3 API Reference, DeleteObjects). */
const mostKeys = 1000

/** Succeeds when there is none. */
export async function removeObject(store: S3Store, key: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await store.send(new DeleteObjectCommand(keyParameters(store, key)), signal)
  } catch (error) {
    if (!isS3Error(error, 'NoSuchKey', 'NotFound')) throw error
  }
}

/** Many in one request, where the store can; one by one where it cannot. */
export async function removeObjects(store: S3Store, keys: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  let bulk = store.settings.profile.bulkRemoval
  // XML 1.0 has no way to write control characters.
  const singles = keys.filter((key) => !bulk || /\p{Cc}/u.test(key))
  const many = keys.filter((key) => bulk && !/\p{Cc}/u.test(key))
  for (let at = 0; at < many.length; at += mostKeys) {
    throwIfAborted(signal, 'removal')
    const some = many.slice(at, at + mostKeys)
    if (bulk && (await removeTogether(store, some, signal))) continue
    bulk = false
    singles.push(...some)
  }
  for (let at = 0; at < singles.length; at += store.settings.concurrency) {
    throwIfAborted(signal, 'removal')
    const some = singles.slice(at, at + store.settings.concurrency)
    await Promise.all(some.map((key) => patiently(() => removeObject(store, key, signal), { signal })))
  }
}

/** `false` when the store does not know such a request. */
async function removeTogether(store: S3Store, keys: readonly string[], signal: AbortSignal | undefined): Promise<boolean> {
  let left = keys
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
      left = failed.flatMap(({ Key }) => store.keyOf(Key ?? '') ?? [])
      const [first] = failed
      if (first !== undefined) throw notRemoved(first, failed.length, keys.length)
    },
    { signal },
  ).catch((error: unknown) => {
    if (!BackupError.is(error) && (statusOf(error) === 501 || isS3Error(error, 'NotImplemented', 'MalformedXML', 'InvalidArgument')))
      left = keys
    else throw error
  })
  return left.length === 0
}

function notRemoved(
  first: { readonly Key?: string | undefined; readonly Code?: string | undefined; readonly Message?: string | undefined },
  failed: number,
  all: number,
): BackupError {
  const code = classifyS3Error({ name: first.Code })
  return new BackupError(`${failed} of ${all} objects were not removed, ${first.Key ?? ''} with ${first.Code ?? 'an error'}`, {
    code,
    hint:
      code === 'ACCESS_DENIED'
        ? 'They are locked, or these credentials may not remove: the others are gone.'
        : 'The others are gone; try again to remove the rest.',
    cause: new Error(first.Message ?? first.Code ?? 'no reason given'),
  })
}
