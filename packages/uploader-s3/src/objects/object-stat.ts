import { GetObjectCommand, HeadBucketCommand, HeadObjectCommand, type HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import { BackupError, type RemoteObject } from '@backup-planet/core'
import type { S3Store } from '../client/s3-store.ts'
import { statusOf } from '../s3-errors.ts'
import { customerKey, keyParameters, sha256Metadata } from './object-parameters.ts'

/** Stores whose bucket was seen: there a missing object is only that. */
const seenBuckets = new WeakSet<S3Store>()

/** `undefined` when there is no such object. */
export async function statObject(store: S3Store, key: string, signal?: AbortSignal): Promise<RemoteObject | undefined> {
  const found = await headObject(store, key, signal)
  return found === undefined ? undefined : describeObject(key, found)
}

/** Everything that a store says of an object; `undefined` when there is none. */
export async function headObject(
  store: S3Store,
  key: string,
  signal?: AbortSignal,
  more: { readonly ChecksumMode?: 'ENABLED' } = {},
): Promise<HeadObjectCommandOutput | undefined> {
  try {
    const { output } = await store.send(
      new HeadObjectCommand({ ...keyParameters(store, key), ...customerKey(store.settings), ...more }),
      signal,
    )
    assertFromStore(output, `stat of ${key}`)
    seenBuckets.add(store)
    return output
  } catch (error) {
    const status = statusOf(error)
    if (isClockCorrected(error)) throw Object.assign(error as Error, { Code: 'RequestTimeTooSkewed' })
    if (status === 404) {
      await assertBucket(store, signal)
      return undefined
    }
    if (status !== undefined && status >= 300 && status < 500) await explain(store, key, signal)
    throw error
  }
}

export function describeObject(
  key: string,
  found: {
    readonly ContentLength?: number | undefined
    readonly LastModified?: Date | undefined
    readonly Metadata?: Readonly<Record<string, string>> | undefined
  },
): RemoteObject {
  const sha256 = found.Metadata?.[sha256Metadata]
  return {
    key,
    size: found.ContentLength ?? 0,
    modifiedAt: (found.LastModified ?? new Date(0)).toISOString(),
    ...(sha256 !== undefined && /^[0-9a-f]{64}$/.test(sha256) ? { sha256 } : {}),
  }
}

/** What a proxy, a login page or another server says with HTTP 200 is no answer of a store, which gives every object an ETag. */
export function assertFromStore({ ETag }: { readonly ETag?: string | undefined }, what: string): void {
  if (ETag === undefined || ETag === '') throw noStore(what)
}

export function noStore(what: string): BackupError {
  return new BackupError(`${what}: what answers is no store that speaks the protocol of S3`, {
    code: 'UNREACHABLE',
    retryable: false,
    hint: 'Correct the endpoint in the destination, and look whether a proxy or a login page answers in its place.',
  })
}

/** The SDK has compared the clocks and signs the next request by that of the store: asked once more, nobody would hear of it. */
function isClockCorrected(error: unknown): boolean {
  return (error as { readonly $metadata?: { readonly clockSkewCorrected?: boolean } } | undefined)?.$metadata?.clockSkewCorrected === true
}

/** The answer to a HEAD has no body: that the bucket is missing looks like a missing object, and must not pass for one. */
async function assertBucket(store: S3Store, signal: AbortSignal | undefined): Promise<void> {
  if (seenBuckets.has(store)) return
  const { bucket } = store.settings
  try {
    await store.send(new HeadBucketCommand({ Bucket: bucket }), signal)
  } catch (error) {
    if (statusOf(error) === 404) throw Object.assign(error as Error, { name: 'NoSuchBucket', Code: 'NoSuchBucket' })
    // Who may not ask for the bucket may still use the objects in it.
    if (statusOf(error) !== 403) throw error
  }
  seenBuckets.add(store)
}

/** Asks for the object in a way that is answered with a reason, and throws it. */
async function explain(store: S3Store, key: string, signal: AbortSignal | undefined): Promise<void> {
  const { output } = await store.send(
    new GetObjectCommand({ ...keyParameters(store, key), ...customerKey(store.settings), Range: 'bytes=0-0' }),
    signal,
  )
  const body = output.Body as { destroy?: () => void } | undefined
  body?.destroy?.()
}
