import { ListObjectsV2Command } from '@aws-sdk/client-s3'
import { type RemoteObject, throwIfAborted } from '@backup-planet/core'
import type { S3Store } from '../client/s3-store.ts'
import { isUsableKey } from './object-key.ts'
import { noStore } from './object-stat.ts'

/** Every object below the prefix of the store whose key begins with `prefix`, page by page. */
export async function* listObjects(store: S3Store, prefix: string, signal: AbortSignal | undefined): AsyncGenerator<RemoteObject, void> {
  let token: string | undefined
  do {
    const { output } = await store.send(
      new ListObjectsV2Command({
        Bucket: store.settings.bucket,
        Prefix: store.objectKey(prefix),
        EncodingType: 'url',
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
    token = output.IsTruncated === true ? output.NextContinuationToken : undefined
  } while (token !== undefined)
}

/** Keys come percent-encoded with + for a space where the store says so (Amazon S3 API Reference, ListObjectsV2, EncodingType). */
export function decodedKey(key: string, encoding: string | undefined): string {
  return encoding === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key
}
