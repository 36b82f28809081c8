import { setTimeout as pause } from 'node:timers/promises'
import { BackupError, type OperationOptions } from '@backup-planet/core'
import { BlobIndex, type BlobIndexOptions, type BlobLocation } from './blob-index/blob-index.ts'
import { unseal } from './crypto/sealed-bytes.ts'
import { type IndexedPack, packsOfIndex } from './format/index-file.ts'
import { type BlobType, decodePackHeader, headerLengthBytes, type PackedBlob } from './format/pack-header.ts'
import type { StorageId } from './format/storage-id.ts'
import type { OpenRepository } from './repository-access.ts'
import { type ListedObject, listObjects, objectKey, readRange, readSealedJson } from './repository-objects.ts'
import { damaged } from './restic-errors.ts'

export interface LoadedIndex {
  readonly blobs: BlobIndex
  /** Of the index files that were read. */
  readonly files: ReadonlySet<StorageId>
  /** Index files that are damaged: what only they knew is found in the packs' headers. */
  readonly failures: readonly BackupError[]
}

/** Where a blob lies, with the id of the pack. */
export interface PlacedBlob extends BlobLocation {
  readonly pack: StorageId
}

export function findBlob(blobs: BlobIndex, type: BlobType, id: StorageId): PlacedBlob | undefined {
  const found = blobs.find(type, Buffer.from(id, 'hex'))
  return found === undefined ? undefined : { ...found, pack: blobs.packId(found.packNumber) }
}

/** How often what the store lists is looked for, when it is not there: by then its replacement or it itself is seen. */
const mostLooks = 5
const firstPauseMilliseconds = 50

/**
 * Reads every index file, a few at a time. One that vanishes meanwhile was replaced by another, which is read too; one that stays listed
 * and never is there counts as damaged.
 *
 * @param without packs that are left out, whatever the files say of them
 */
export async function loadIndex(
  repository: OpenRepository,
  options: OperationOptions,
  index: BlobIndexOptions = {},
  without: ReadonlySet<StorageId> = new Set(),
): Promise<LoadedIndex> {
  const blobs = new BlobIndex(index)
  const files = new Set<StorageId>()
  const failures: BackupError[] = []
  for (let look = 1, again = true; again; look++) {
    again = false
    const ids: StorageId[] = []
    for await (const { id } of listObjects(repository.uploader, 'index', options)) if (!files.has(id)) ids.push(id)
    await eachAtOnce(ids, repository.uploader.supports.concurrency, async (id) => {
      try {
        const packs = await readSealedJson(repository, 'index', id, (json) => [...packsOfIndex(json)], options)
        for (const pack of packs) if (!without.has(pack.id)) addPack(blobs, pack)
        files.add(id)
      } catch (error) {
        if (!BackupError.is(error)) throw error
        if (error.code === 'NOT_FOUND' && look < mostLooks) again = true
        else if (error.code === 'NOT_FOUND') {
          failures.push(damaged(objectKey('index', id), 'it is listed and is not there'))
          files.add(id)
        } else if (error.code === 'CORRUPTED') {
          failures.push(error)
          files.add(id)
        } else throw error
      }
    })
    // An abort is told by the next look.
    if (again) await pause(firstPauseMilliseconds * 2 ** look, undefined, { signal: options.signal }).catch(() => undefined)
  }
  return { blobs, files, failures }
}

export function addPack(blobs: BlobIndex, pack: IndexedPack): void {
  const number = blobs.addPack(pack.id)
  const id = Buffer.alloc(32)
  for (const blob of pack.blobs) {
    id.write(blob.id, 'hex')
    blobs.add(number, blob.type, id, blob.offset, blob.length, blob.uncompressedLength)
  }
}

/** Packs whose headers are held in memory at once, with all of their blobs. */
const headersAtOnce = 32

/**
 * Adds the packs that no index knows, by their headers: what a run that was cut had sent, or what a damaged index had known. Returns
 * their ids; one whose header is damaged is in `failures`, since nothing can be read of it.
 *
 * @param onPacks gets them with their blobs once they are added, a few at a time: all of them may be more than the memory holds
 * @param listed the packs that are in the store, where they were listed already
 */
export async function addUnindexedPacks(
  repository: OpenRepository,
  blobs: BlobIndex,
  options: OperationOptions,
  onPacks: (packs: readonly IndexedPack[]) => Promise<void> = async () => undefined,
  listed: Iterable<ListedObject> | AsyncIterable<ListedObject> = listObjects(repository.uploader, 'data', options),
): Promise<{ readonly packs: readonly StorageId[]; readonly failures: readonly BackupError[] }> {
  const unknown: ListedObject[] = []
  for await (const object of listed) if (!blobs.hasPack(object.id)) unknown.push(object)
  const packs: StorageId[] = []
  const failures: BackupError[] = []
  for (let at = 0; at < unknown.length; at += headersAtOnce) {
    const read: IndexedPack[] = []
    await eachAtOnce(unknown.slice(at, at + headersAtOnce), repository.uploader.supports.concurrency, async ({ id, size }) => {
      try {
        read.push({ id, blobs: await readPackHeader(repository, id, size, options) })
      } catch (error) {
        if (!BackupError.is(error) || !(error.code === 'CORRUPTED' || error.code === 'NOT_FOUND')) throw error
        if (error.code === 'CORRUPTED') failures.push(error)
      }
    })
    for (const pack of read) {
      addPack(blobs, pack)
      packs.push(pack.id)
    }
    await onPacks(read)
  }
  return { packs, failures }
}

/** Most headers are smaller; a longer one takes a second read. */
const headerGuessBytes = 16 * 1024
const mostHeaderBytes = 16 * 1024 ** 2

/** restic, doc/design.rst, "Pack Format". Throws `CORRUPTED` when the header does not describe exactly this pack. */
export async function readPackHeader(
  repository: OpenRepository,
  id: StorageId,
  size: number,
  options: OperationOptions,
): Promise<PackedBlob[]> {
  const key = objectKey('data', id)
  const read = (bytes: number) => readRange(repository.uploader, key, size - bytes, bytes, options)
  if (size <= headerLengthBytes) throw damaged(key, `it has ${size} bytes, too few for a pack`)
  let tail = await read(Math.min(size, headerGuessBytes))
  const headerLength = tail.readUInt32LE(tail.byteLength - headerLengthBytes)
  if (headerLength + headerLengthBytes > size || headerLength > mostHeaderBytes)
    throw damaged(key, `its header claims to have ${headerLength} bytes`)
  if (headerLength + headerLengthBytes > tail.byteLength) tail = await read(headerLength + headerLengthBytes)
  return parsePackHeader(repository, key, tail, headerLength, size)
}

export function parsePackHeader(
  { key }: OpenRepository,
  where: string,
  tail: Uint8Array,
  headerLength: number,
  size: number,
): PackedBlob[] {
  const end = tail.byteLength - headerLengthBytes
  const header = unseal(key, tail.subarray(end - headerLength, end))
  if (header === undefined) throw damaged(where, 'its header was changed: its authentication code is wrong')
  let blobs: PackedBlob[]
  try {
    blobs = decodePackHeader(header)
  } catch (error) {
    throw damaged(where, (error as Error).message)
  }
  const described = blobs.reduce((sum, { length }) => sum + length, 0) + headerLength + headerLengthBytes
  if (described !== size) throw damaged(where, `it has ${size} bytes, and its header describes ${described}`)
  return blobs
}

/** Works on a few at a time; rejects with the first failure, once the others have ended. */
export async function eachAtOnce<Value>(values: Iterable<Value>, atOnce: number, work: (value: Value) => Promise<void>): Promise<void> {
  const iterator = values[Symbol.iterator]()
  const failures: unknown[] = []
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); failures.length === 0 && next.done !== true; next = iterator.next()) {
      await work(next.value).catch((error: unknown) => failures.push(error))
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, atOnce) }, worker))
  if (failures.length > 0) throw failures[0]
}
