import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { BackupError, type RemoteObject, throwIfAborted } from '@backup-planet/core'
import type { S3Store } from '../client/s3-store.ts'
import { isUsableKey } from './object-key.ts'
import { noStore } from './object-stat.ts'

/**
 * Every object below the prefix of the store whose key begins with `prefix`, page by page; `pageSize` is that of the store when left out.
 * Rejects with `UNSUPPORTED` where the store ends in the middle: half a list must not pass for a whole one.
 */
export async function* listObjects(
  store: S3Store,
  prefix: string,
  signal: AbortSignal | undefined,
  pageSize?: number,
): AsyncGenerator<RemoteObject, void> {
  let token: string | undefined
  do {
    const { output } = await store.send(
      new ListObjectsV2Command({
        Bucket: store.settings.bucket,
        Prefix: store.objectKey(prefix),
        EncodingType: 'url',
        ...(pageSize === undefined ? {} : { MaxKeys: pageSize }),
        ...(token === undefined ? {} : { ContinuationToken: token }),
      }),
      signal,
    )
    if (output.Name === undefined && output.KeyCount === undefined && output.IsTruncated === undefined) throw noStore(`list of ${prefix}`)
    for (const object of output.Contents ?? []) {
      const key = store.keyOf(decodedKey(object.Key ?? '', output.EncodingType))
      // Folders that the console of a store shows are objects like `folder/`, which no key of an uploader is.
      if (key === undefined || !key.startsWith(prefix) || !isUsableKey(key)) continue
      yield { key, size: object.Size ?? 0, modifiedAt: (object.LastModified ?? new Date(0)).toISOString() }
      throwIfAborted(signal, `list of ${prefix}`)
    }
    token = nextMarker(output.IsTruncated, output.NextContinuationToken, token, `list of ${prefix}`)
  } while (token !== undefined)
}

/** Where the next page begins; `undefined` after the last one. Throws `UNSUPPORTED` where there must be one and the store names none. */
export function nextMarker(
  truncated: boolean | undefined,
  next: string | undefined,
  before: string | undefined,
  what: string,
): string | undefined {
  if (truncated !== true) return undefined
  if (next !== undefined && next !== '' && next !== before) return next
  throw new BackupError(`${what}: the store says that there is more and not where it begins`, {
    code: 'UNSUPPORTED',
    hint: 'This store does not list what it holds to the end: use another, or ask whoever runs it, or the proxy before it.',
  })
}

/** Keys come percent-encoded with + for a space where the store says so (Amazon S3 API Reference, ListObjectsV2, EncodingType). */
export function decodedKey(key: string, encoding: string | undefined): string {
  return encoding === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key
}
