import { type BackupError, type Finding, type OperationOptions, throwIfAborted } from '@backup-planet/core'
import type { BlobIndex } from '../blob-index/blob-index.ts'
import { headerLengthBytes, type PackedBlob } from '../format/pack-header.ts'
import { type StorageId, storageIdOf } from '../format/storage-id.ts'
import { inlineBytes, plainLength } from '../read/blob-reader.ts'
import type { OpenRepository } from '../repository-access.ts'
import { findBlob, parsePackHeader } from '../repository-index.ts'
import { objectKey, readRange } from '../repository-objects.ts'
import { damaged, isDamage } from '../restic-errors.ts'
import type { ResticSession } from '../restic-session.ts'
import { type BlobWorkers, createBlobWorkers, createInlineBlobWorkers } from '../workers/blob-workers.ts'
import type { BlobDamage } from './blob-damage.ts'

export interface PackCheckRequest {
  readonly session: ResticSession
  readonly repository: OpenRepository
  readonly index: BlobIndex
  readonly sizes: ReadonlyMap<StorageId, number>
  /** Hears of every blob that is damaged. */
  readonly damage: BlobDamage
  /** All packs when left out. */
  readonly wanted: ReadonlySet<StorageId> | undefined
  readonly subset: { readonly part: number; readonly of: number } | undefined
}

/** Reads packs whole: their SHA-256, their header, every blob, and that the index says the same. */
export async function* checkPacks(request: PackCheckRequest, options: OperationOptions): AsyncGenerator<Finding, void> {
  const { repository, session, index, sizes, wanted, subset } = request
  const data = { key: repository.key, memory: undefined, compressionLevel: 0 }
  const packs = [...sizes].filter(([id]) => (wanted?.has(id) ?? true) && isInSubset(id, subset))
  const total = packs.reduce((sum, [, size]) => sum + size, 0)
  await using workers = total > inlineBytes ? createBlobWorkers(data, session.settings.threads) : createInlineBlobWorkers(data)
  const places = blobsPerPack(index)
  const running: Promise<readonly Finding[]>[] = []
  try {
    for (const [id, size] of packs) {
      throwIfAborted(options.signal, 'verifying')
      const check = checkPack(request, workers, { id, size, places }, options)
      check.catch(() => undefined)
      running.push(check)
      if (running.length >= packsAtOnce) yield* (await running.shift()) ?? []
    }
    for (let next = running.shift(); next !== undefined; next = running.shift()) yield* await next
  } finally {
    await Promise.allSettled(running)
  }
}

/** Each takes the memory of a pack and of its largest blob. */
const packsAtOnce = 3

function isInSubset(pack: StorageId, subset: PackCheckRequest['subset']): boolean {
  return subset === undefined || Number.parseInt(pack.slice(0, 8), 16) % subset.of === subset.part - 1
}

async function checkPack(
  { repository, index, damage }: PackCheckRequest,
  workers: BlobWorkers,
  { id, size, places }: { readonly id: StorageId; readonly size: number; readonly places: Uint32Array },
  options: OperationOptions,
): Promise<Finding[]> {
  const key = objectKey('data', id)
  const findings: Finding[] = []
  const tell = (error: BackupError): void => {
    findings.push({ severity: 'error', key, code: error.code, message: error.message, hint: error.hint ?? '' })
  }
  let bytes: Buffer
  try {
    bytes = await readRange(repository.uploader, key, 0, size, options)
  } catch (error) {
    if (!isDamage(error)) throw error
    for (const blob of indexedBlobs(index, id)) damage.add(blob.type, blob.id, 'its pack cannot be read')
    tell(damaged(key, error.message))
    return findings
  }
  const whole = storageIdOf(bytes) === id
  if (!whole) tell(damaged(key, 'its content has another SHA-256 than its name'))
  let blobs: readonly PackedBlob[]
  try {
    blobs = headerOf(repository, key, bytes)
    const unknown = blobs.find((blob) => !index.has(blob.type, Buffer.from(blob.id, 'hex')))
    if (unknown !== undefined && !whole)
      tell(damaged(key, `its header names ${unknown.type} blob ${unknown.id.slice(0, 16)}, which no index knows`))
  } catch (error) {
    if (!isDamage(error)) throw error
    if (whole) tell(error)
    blobs = indexedBlobs(index, id)
  }
  for (const { type, id: blob } of indexMismatches(index, id, blobs, places)) {
    damage.add(type, blob, 'the index says that it lies where its pack has something else')
    tell(damaged(key, `the index names ${type} blob ${blob.slice(0, 16)} at a place where the pack has something else`))
  }
  const plain = blobs.reduce((sum, blob) => sum + plainLength(blob), 0)
  const { reasons } = await workers.check(bytes, blobs)
  for (const [at, reason] of reasons.entries()) {
    const blob = blobs[at]
    if (blob === undefined || reason === undefined) continue
    damage.add(blob.type, blob.id, reason)
    tell(damaged(key, `${blob.type} blob ${blob.id.slice(0, 16)} at ${blob.offset}: ${reason}`))
  }
  options.onProgress?.({ type: 'bytes', phase: 'verify', bytes: plain })
  return findings
}

function headerOf(repository: OpenRepository, key: string, bytes: Buffer): PackedBlob[] {
  const headerLength = bytes.byteLength < headerLengthBytes ? 0 : bytes.readUInt32LE(bytes.byteLength - headerLengthBytes)
  if (headerLength + headerLengthBytes > bytes.byteLength) throw damaged(key, `its header claims to have ${headerLength} bytes`)
  return parsePackHeader(repository, key, bytes, headerLength, bytes.byteLength)
}

/** What the index says of a pack; looked for in all of it, since it is asked for packs that are damaged only. */
function indexedBlobs(index: BlobIndex, packId: StorageId): PackedBlob[] {
  if (!index.hasPack(packId)) return []
  const wanted = index.addPack(packId)
  const blobs: PackedBlob[] = []
  index.forEach((type, id, pack, offset, length, uncompressedLength) => {
    if (pack === wanted) blobs.push({ type, id: Buffer.from(id).toString('hex'), offset, length, uncompressedLength })
  })
  return blobs
}

/** How many blobs the index places into each pack, by the pack's number. */
function blobsPerPack(index: BlobIndex): Uint32Array {
  const counts = new Uint32Array(index.packCount)
  index.forEach((_type, _id, pack) => {
    counts[pack] = (counts[pack] ?? 0) + 1
  })
  return counts
}

/** Blobs that the index places into this pack, where its header has another one or none. */
function indexMismatches(index: BlobIndex, pack: StorageId, blobs: readonly PackedBlob[], places: Uint32Array): readonly PackedBlob[] {
  if (!index.hasPack(pack)) return []
  const at = (blob: PackedBlob): string => `${blob.type}/${blob.id}/${blob.offset}/${blob.length}/${blob.uncompressedLength}`
  const inHeader = new Set(blobs.map(at))
  let right = 0
  for (const blob of new Map(blobs.map((candidate) => [`${candidate.type}/${candidate.id}`, candidate])).values()) {
    const found = findBlob(index, blob.type, blob.id)
    if (found?.pack === pack && inHeader.has(at({ ...found, id: blob.id }))) right++
  }
  if (right === places[index.addPack(pack)]) return []
  return indexedBlobs(index, pack).filter((blob) => !inHeader.has(at(blob)))
}
