import { createHash } from 'node:crypto'
import type { S3Client } from '@aws-sdk/client-s3'

/** What a test needs of an input of any command. */
export interface S3Input {
  readonly Key?: string
  readonly Prefix?: string
  readonly UploadId?: string
  readonly PartNumber?: number
  readonly Body?: Uint8Array
  readonly Metadata?: Readonly<Record<string, string>>
  readonly Range?: string
  readonly [name: string]: unknown
}

export interface S3Call {
  /** Such as `UploadPart`. */
  readonly name: string
  readonly input: S3Input
  readonly signal: AbortSignal | undefined
  /** What the store does when nobody stands between. */
  readonly carryOut: () => object
}

export interface MemoryObject {
  bytes: Buffer
  readonly etag: string
  readonly metadata: Readonly<Record<string, string>>
  readonly input: S3Input
}

export interface MemoryUpload {
  readonly key: string
  readonly input: S3Input
  begunAt: Date
  readonly parts: Map<number, { readonly bytes: Buffer; readonly etag: string; readonly storedAt: Date }>
}

/** A store in memory for what no real one does by itself. Tests put themselves between by `meet`. */
export interface MemoryS3 {
  readonly objects: Map<string, MemoryObject>
  readonly uploads: Map<string, MemoryUpload>
  readonly calls: S3Call[]
  /** Answers in place of the store; `undefined` where the store shall. */
  meet: (call: S3Call) => Promise<object | undefined> | object | undefined
  readonly createClient: () => S3Client
}

export function s3Failure(name: string, status: number): Error {
  return Object.assign(new Error(name), { name, $metadata: { httpStatusCode: status } })
}

export function createMemoryS3(): MemoryS3 {
  const objects = new Map<string, MemoryObject>()
  const uploads = new Map<string, MemoryUpload>()
  const calls: S3Call[] = []
  let ids = 0

  function uploadOf({ UploadId = '' }: S3Input): MemoryUpload {
    const upload = uploads.get(UploadId)
    if (upload === undefined) throw s3Failure('NoSuchUpload', 404)
    return upload
  }

  function objectOf({ Key = '' }: S3Input): MemoryObject {
    const object = objects.get(Key)
    if (object === undefined) throw s3Failure('NotFound', 404)
    return object
  }

  const acts: Readonly<Record<string, (input: S3Input) => object>> = {
    HeadBucket: () => ({}),
    GetObjectLockConfiguration: () => {
      throw s3Failure('ObjectLockConfigurationNotFoundError', 404)
    },
    PutObject(input) {
      const bytes = Buffer.from(input.Body ?? [])
      const etag = md5(bytes).toString('hex')
      objects.set(input.Key ?? '', { bytes, etag, metadata: input.Metadata ?? {}, input })
      return { ETag: `"${etag}"` }
    },
    HeadObject(input) {
      const { bytes, etag, metadata } = objectOf(input)
      return { ETag: `"${etag}"`, ContentLength: bytes.byteLength, Metadata: metadata, LastModified: new Date() }
    },
    GetObject(input) {
      const { bytes, etag } = objectOf(input)
      const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(input.Range ?? '') ?? []
      if (first === undefined) return { ETag: `"${etag}"`, ContentLength: bytes.byteLength, Body: bodyOf(bytes) }
      const begin = Number(first)
      if (begin >= bytes.byteLength) throw s3Failure('InvalidRange', 416)
      const end = last === '' ? bytes.byteLength : Math.min(bytes.byteLength, Number(last) + 1)
      const ContentRange = `bytes ${begin}-${end - 1}/${bytes.byteLength}`
      return { ETag: `"${etag}"`, ContentLength: end - begin, ContentRange, Body: bodyOf(bytes.subarray(begin, end)) }
    },
    DeleteObject({ Key = '' }) {
      objects.delete(Key)
      return {}
    },
    DeleteObjects({ Delete }) {
      const { Objects } = Delete as { readonly Objects: readonly { readonly Key: string }[] }
      for (const { Key } of Objects) objects.delete(Key)
      return {}
    },
    ListObjectsV2({ Prefix = '' }) {
      const found = [...objects].filter(([key]) => key.startsWith(Prefix)).sort(([one], [other]) => (one < other ? -1 : 1))
      const Contents = found.map(([Key, { bytes }]) => ({ Key, Size: bytes.byteLength, LastModified: new Date() }))
      return { KeyCount: Contents.length, IsTruncated: false, Contents }
    },
    CreateMultipartUpload(input) {
      const UploadId = `upload-${++ids}`
      uploads.set(UploadId, { key: input.Key ?? '', input, begunAt: new Date(), parts: new Map() })
      return { UploadId }
    },
    UploadPart(input) {
      const bytes = Buffer.from(input.Body ?? [])
      const etag = md5(bytes).toString('hex')
      uploadOf(input).parts.set(input.PartNumber ?? 0, { bytes, etag, storedAt: new Date() })
      return { ETag: `"${etag}"` }
    },
    CompleteMultipartUpload(request) {
      const { key, parts, input } = uploadOf(request)
      const sorted = [...parts].sort(([one], [other]) => one - other).map(([, part]) => part)
      const etag = `${md5(Buffer.concat(sorted.map((part) => Buffer.from(part.etag, 'hex')))).toString('hex')}-${sorted.length}`
      objects.set(key, { bytes: Buffer.concat(sorted.map(({ bytes }) => bytes)), etag, metadata: input.Metadata ?? {}, input })
      uploads.delete(request.UploadId ?? '')
      return { ETag: `"${etag}"` }
    },
    AbortMultipartUpload(input) {
      uploadOf(input)
      uploads.delete(input.UploadId ?? '')
      return {}
    },
    ListMultipartUploads({ Prefix = '' }) {
      const found = [...uploads].filter(([, { key }]) => key.startsWith(Prefix))
      return { Uploads: found.map(([UploadId, { key, begunAt }]) => ({ Key: key, UploadId, Initiated: begunAt })) }
    },
    ListParts(input) {
      const parts = [...uploadOf(input).parts]
      const Parts = parts.map(([PartNumber, { bytes, etag, storedAt }]) => ({
        PartNumber,
        ETag: `"${etag}"`,
        Size: bytes.byteLength,
        LastModified: storedAt,
      }))
      return { Parts }
    },
  }

  const memory: MemoryS3 = {
    objects,
    uploads,
    calls,
    meet: () => undefined,
    createClient: () => ({ send, destroy: () => undefined }) as unknown as S3Client,
  }

  async function send(command: object, { abortSignal }: { readonly abortSignal?: AbortSignal } = {}): Promise<object> {
    const name = command.constructor.name.replace(/Command$/, '')
    const { input } = command as { readonly input: S3Input }
    const act = acts[name]
    if (act === undefined) throw new Error(`the store in memory has no ${name}`)
    const call: S3Call = { name, input, signal: abortSignal, carryOut: () => act(input) }
    calls.push(call)
    // As from a network, never in the same turn.
    await new Promise((resolve) => setImmediate(resolve))
    if (abortSignal?.aborted) throw Object.assign(new Error('aborted'), { name: 'AbortError' })
    return (await memory.meet(call)) ?? call.carryOut()
  }

  return memory
}

function md5(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest()
}

async function* bodyOf(bytes: Buffer): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.byteLength; at += 1000) yield bytes.subarray(at, at + 1000)
}
