import {
  AbortMultipartUploadCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  ListPartsCommand,
} from '@aws-sdk/client-s3'
import { patiently } from '../client/patient-requests.ts'
import type { Answer, S3Store } from '../client/s3-store.ts'
import { decodedKey, nextMarker } from '../objects/object-listing.ts'
import { customerKey, keyParameters } from '../objects/object-parameters.ts'
import { plainEtag } from '../objects/sent-checksums.ts'
import { isS3Error } from '../s3-errors.ts'

export interface UnfinishedUpload {
  readonly key: string
  readonly uploadId: string
  /** By the clock of the store. */
  readonly begunAt: Date
  /** When the store gave the list, by the same clock. */
  readonly listedAt: Date
}

/** A store that does not answer must not keep an abort waiting. */
const abortWithinMilliseconds = 10_000

interface PageMarker {
  readonly KeyMarker?: string
  readonly UploadIdMarker?: string
}

/** Multipart uploads below the prefix of the store whose key begins with `prefix`, by whomever. */
export async function* listUnfinishedUploads(store: S3Store, prefix: string, signal?: AbortSignal): AsyncGenerator<UnfinishedUpload, void> {
  let marker: PageMarker | undefined = {}
  while (marker !== undefined) {
    const page: PageMarker = marker
    const { output, at }: Answer<ListMultipartUploadsCommandOutput> = await patiently(
      () =>
        store.send(
          new ListMultipartUploadsCommand({
            Bucket: store.settings.bucket,
            Prefix: store.objectKey(prefix),
            EncodingType: 'url',
            ...page,
          }),
          signal,
        ),
      { signal },
    )
    for (const upload of output.Uploads ?? []) {
      const key = store.keyOf(decodedKey(upload.Key ?? '', output.EncodingType))
      if (key === undefined || !key.startsWith(prefix) || upload.UploadId === undefined) continue
      yield { key, uploadId: upload.UploadId, begunAt: upload.Initiated ?? at, listedAt: at }
    }
    marker = nextPage(output, page, prefix)
  }
}

/** Several uploads of one key may be on two pages: then only the id moves on. */
function nextPage(output: ListMultipartUploadsCommandOutput, before: PageMarker, prefix: string): PageMarker | undefined {
  const { IsTruncated, EncodingType, NextKeyMarker, NextUploadIdMarker } = output
  const told = NextKeyMarker === undefined ? undefined : decodedKey(NextKeyMarker, EncodingType)
  const idMoved = NextUploadIdMarker !== undefined && NextUploadIdMarker !== before.UploadIdMarker
  const what = `list of unfinished uploads below ${prefix}`
  const key = nextMarker(IsTruncated, told, idMoved ? undefined : before.KeyMarker, what)
  if (key === undefined) return undefined
  return { KeyMarker: key, ...(NextUploadIdMarker === undefined ? {} : { UploadIdMarker: NextUploadIdMarker }) }
}

/** Removes an upload and its parts; succeeds when there is none. Throws what the store says when it goes on failing. */
export async function abortUpload(store: S3Store, key: string, uploadId: string, given?: AbortSignal): Promise<void> {
  const limit = AbortSignal.timeout(abortWithinMilliseconds)
  const signal = given === undefined ? limit : AbortSignal.any([given, limit])
  await patiently(
    async () => {
      try {
        await store.send(new AbortMultipartUploadCommand({ ...keyParameters(store, key), UploadId: uploadId }), signal)
      } catch (error) {
        if (!isS3Error(error, 'NoSuchUpload', 'NoSuchKey', 'NotFound')) throw error
      }
    },
    { signal, attempts: 4 },
  )
}

export interface StoredPart {
  readonly etag: string
  readonly size: number
  /** By the clock of the store; `undefined` where it does not say. */
  readonly storedAt: Date | undefined
}

/** The parts that the store has of an upload; `undefined` when it has no such upload. */
export async function listParts(
  store: S3Store,
  key: string,
  uploadId: string,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<number, StoredPart> | undefined> {
  const parts = new Map<number, StoredPart>()
  let marker: string | undefined
  do {
    const page = await patiently(
      async () => {
        try {
          return await store.send(
            new ListPartsCommand({
              ...keyParameters(store, key),
              ...customerKey(store.settings),
              UploadId: uploadId,
              ...(marker === undefined ? {} : { PartNumberMarker: marker }),
            }),
            signal,
          )
        } catch (error) {
          if (isS3Error(error, 'NoSuchUpload', 'NoSuchKey', 'NotFound')) return undefined
          throw error
        }
      },
      { signal },
    )
    if (page === undefined) return undefined
    const { output } = page
    for (const { PartNumber, ETag, Size, LastModified } of output.Parts ?? []) {
      if (PartNumber !== undefined) parts.set(PartNumber, { etag: plainEtag(ETag), size: Size ?? -1, storedAt: LastModified })
    }
    marker = nextMarker(output.IsTruncated, output.NextPartNumberMarker, marker, `list of the parts of ${key}`)
  } while (marker !== undefined)
  return parts
}
