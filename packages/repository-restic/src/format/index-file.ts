import type { PackedBlob } from './pack-header.ts'
import { isStorageId, type StorageId } from './storage-id.ts'

export interface IndexedPack {
  readonly id: StorageId
  readonly blobs: readonly PackedBlob[]
}

/** A file below `index/`; restic, doc/design.rst, "Indexing". */
export function indexJson(packs: readonly IndexedPack[], supersedes: readonly StorageId[] = []): string {
  const old = supersedes.length === 0 ? '' : `"supersedes":${JSON.stringify(supersedes)},`
  return `{${old}"packs":[${packs.map(packJson).join(',')}]}`
}

function packJson({ id, blobs }: IndexedPack): string {
  const entries = blobs.map((blob) => {
    const uncompressed = blob.uncompressedLength > 0 ? `,"uncompressed_length":${blob.uncompressedLength}` : ''
    return `{"id":"${blob.id}","type":"${blob.type}","offset":${blob.offset},"length":${blob.length}${uncompressed}}`
  })
  return `{"id":"${id}","blobs":[${entries.join(',')}]}`
}

/**
 * Gives every pack of an index file in turn. By hand and not by a schema, since an index has tens of thousands of entries.
 * Throws a `SyntaxError` that says what is wrong.
 */
export function* packsOfIndex(json: unknown): Generator<IndexedPack, void> {
  // The indexes of the first releases are a bare list.
  const packs: unknown = Array.isArray(json) ? json : record(json, 'the index').packs
  if (packs === null || packs === undefined) return
  for (const pack of list(packs, 'the list of packs')) {
    const { id, blobs } = record(pack, 'a pack')
    if (!isStorageId(id)) throw new SyntaxError('a pack has no id')
    yield { id, blobs: list(blobs, `the list of blobs of pack ${id}`).map(blobOf) }
  }
}

function blobOf(entry: unknown): PackedBlob {
  const { id, type, offset, length, uncompressed_length: uncompressedLength = 0 } = record(entry, 'a blob')
  if (!isStorageId(id) || (type !== 'data' && type !== 'tree')) throw new SyntaxError('a blob has no id or an unknown type')
  if (!isLength(offset) || !isLength(length) || !isLength(uncompressedLength))
    throw new SyntaxError(`blob ${id} lies at an impossible place`)
  return { id, type, offset, length, uncompressedLength }
}

function isLength(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** 32
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new SyntaxError(`${what} is no object`)
  return value as Readonly<Record<string, unknown>>
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new SyntaxError(`${what} is missing`)
  return value
}
