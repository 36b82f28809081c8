import { BackupError, type OperationOptions, type Uploader } from '@backup-planet/core'
import { discard } from '@backup-planet/core/memory'
import type { MasterKey } from './crypto/master-key.ts'
import { seal, unseal } from './crypto/sealed-bytes.ts'
import { isStorageId, type StorageId, storageIdOf } from './format/storage-id.ts'
import { decodeUnpacked, encodeUnpacked } from './format/unpacked-file.ts'
import { damaged } from './restic-errors.ts'

export type ObjectKind = 'data' | 'index' | 'keys' | 'locks' | 'snapshots'

export interface ListedObject {
  readonly id: StorageId
  readonly size: number
  /** ISO 8601, by the clock of the store. */
  readonly modifiedAt: string
}

/** Larger than any index and snapshot there is; what would fill the memory is refused before it is read. */
const mostUnpackedBytes = 64 * 1024 ** 2
/** Anybody who can write to the store can plant keys: they are not sealed. */
const mostKeyBytes = 64 * 1024
/** More than a pack ever has; its size is known from the store and from indexes only. */
const mostRangeBytes = 1024 ** 3

/** restic, doc/design.rst, "Repository Layout": packs lie in folders named by the first two digits. */
export function objectKey(kind: ObjectKind, id: StorageId): string {
  return kind === 'data' ? `data/${id.slice(0, 2)}/${id}` : `${kind}/${id}`
}

/** Reading needs no progress of its own: what is counted are bytes of staged files. */
export function below(options: OperationOptions): OperationOptions {
  return { signal: options.signal }
}

/** Every object of a kind; names that are none of the format are passed over. */
export async function* listObjects(uploader: Uploader, kind: ObjectKind, options: OperationOptions): AsyncGenerator<ListedObject, void> {
  for await (const { key, size, modifiedAt } of uploader.list(`${kind}/`, below(options))) {
    const id = key.slice(key.lastIndexOf('/') + 1)
    if (isStorageId(id) && objectKey(kind, id) === key) yield { id, size, modifiedAt }
  }
}

/** Up to `most` bytes of an object. Throws `NOT_FOUND`, and `CORRUPTED` when there are more. */
export async function readObject(uploader: Uploader, key: string, options: OperationOptions, most = mostUnpackedBytes): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of uploader.download(key, undefined, below(options))) {
    size += chunk.byteLength
    if (size > most) throw damaged(key, `it has more than ${most} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Exactly these bytes of an object. Throws `NOT_FOUND`, and `CORRUPTED` when it ends before. */
export async function readRange(
  uploader: Uploader,
  key: string,
  begin: number,
  length: number,
  options: OperationOptions,
): Promise<Buffer> {
  if (length > mostRangeBytes) throw damaged(key, `${length} bytes of it are wanted, more than any pack has`)
  const bytes = Buffer.allocUnsafeSlow(length)
  let at = 0
  const range = uploader.supports.rangeRead ? { begin, end: begin + length } : undefined
  let skip = range === undefined ? begin : 0
  let copied: Uint8Array | undefined
  for await (const chunk of uploader.download(key, range, below(options))) {
    const useful = chunk.subarray(Math.min(skip, chunk.byteLength))
    skip -= chunk.byteLength - useful.byteLength
    bytes.set(useful.subarray(0, length - at), at)
    at = Math.min(length, at + useful.byteLength)
    // Whoever passes the chunks on may look at one until it is asked for the next.
    if (copied !== undefined) discardOwn(copied)
    copied = chunk
    if (at === length) break
  }
  if (copied !== undefined) discardOwn(copied)
  if (at < length) throw damaged(key, `it ends ${length - at} bytes too early`)
  return bytes
}

/** Chunks of a download are for keeps; one that is only a part of a memory may share it with others that are not copied yet. */
function discardOwn(chunk: Uint8Array): void {
  if (chunk.byteLength === chunk.buffer.byteLength) discard(chunk)
}

/** The bytes of an object whose name is the SHA-256 of its content. Throws `CORRUPTED` when it is not. */
export async function readNamedObject(uploader: Uploader, kind: ObjectKind, id: StorageId, options: OperationOptions): Promise<Buffer> {
  const key = objectKey(kind, id)
  const bytes = await readObject(uploader, key, options, kind === 'keys' ? mostKeyBytes : mostUnpackedBytes)
  if (storageIdOf(bytes) !== id) throw damaged(key, 'its content has another SHA-256 than its name')
  return bytes
}

/**
 * A sealed JSON document. Throws `CORRUPTED` that names the object for everything that is wrong with it.
 *
 * @param parse throws an error that says what is wrong
 */
export async function readSealedJson<Value>(
  { uploader, key }: { readonly uploader: Uploader; readonly key: MasterKey },
  kind: ObjectKind,
  id: StorageId,
  parse: (json: unknown) => Value,
  options: OperationOptions,
): Promise<Value> {
  return parseSealedJson(key, objectKey(kind, id), await readNamedObject(uploader, kind, id, options), parse)
}

function parseSealedJson<Value>(key: MasterKey, where: string, sealed: Uint8Array, parse: (json: unknown) => Value): Value {
  const plaintext = unseal(key, sealed)
  if (plaintext === undefined) throw damaged(where, 'it was changed, or is of another repository: its authentication code is wrong')
  try {
    return parse(decodeUnpacked(plaintext))
  } catch (error) {
    throw damaged(where, `it cannot be read: ${(error as Error).message}`)
  }
}

/** Seals a JSON document and stores it under its SHA-256. */
export async function writeSealedJson(
  { uploader, key }: { readonly uploader: Uploader; readonly key: MasterKey },
  kind: ObjectKind,
  json: string,
  options: OperationOptions,
): Promise<StorageId> {
  const plaintext = encodeUnpacked(json)
  const sealed = seal(key, plaintext)
  discard(plaintext)
  return writeNamedObject(uploader, kind, sealed, options)
}

export async function writeNamedObject(
  uploader: Uploader,
  kind: ObjectKind,
  bytes: Uint8Array,
  options: OperationOptions,
): Promise<StorageId> {
  const id = storageIdOf(bytes)
  await putObject(uploader, objectKey(kind, id), bytes, id, options)
  return id
}

/** Stores an object and sees that all of it arrived. */
export async function putObject(
  uploader: Uploader,
  key: string,
  bytes: Uint8Array,
  sha256: string,
  options: OperationOptions,
): Promise<void> {
  const size = bytes.byteLength
  const remote = await uploader.upload(key, { size, sha256, open: () => once(bytes) }, below(options))
  if (remote.size === size) return
  throw new BackupError(`object ${key} was stored with ${remote.size} of ${size} bytes`, {
    code: 'CORRUPTED',
    retryable: true,
    hint: 'Run the backup again; if it happens again, do not trust this destination.',
  })
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes
}
