import { throwIfAborted } from '@backup-planet/core'
import type { IndexedPack } from '../format/index-file.ts'
import type { PackedBlob } from '../format/pack-header.ts'
import type { StorageId } from '../format/storage-id.ts'
import { inlineBytes, plainLength } from '../read/blob-reader.ts'
import { eachAtOnce } from '../repository-index.ts'
import { objectKey, readRange } from '../repository-objects.ts'
import { damaged } from '../restic-errors.ts'
import type { ResolvedResticSettings } from '../restic-settings.ts'
import { type BlobWorkers, createBlobWorkers, createInlineBlobWorkers } from '../workers/blob-workers.ts'
import { BlobWriter } from '../write/blob-writer.ts'
import { type IndexCatalog, readIndexFile } from './index-catalog.ts'
import type { MaintenanceWork } from './maintenance-lock.ts'
import type { PackUsage } from './pack-usage.ts'
import type { BlobMarks } from './used-blobs.ts'

/** Blobs of one pack that are read together; what lies between two is read with them when it is less than `gapBytes`. */
interface BlobRun {
  readonly pack: StorageId
  readonly blobs: readonly PackedBlob[]
}

const runsAtOnce = 3
const runBytes = 4 * 1024 ** 2
const gapBytes = 512 * 1024

/**
 * Writes what is used of packs into new ones, with index files that name them; the old ones stay. Every blob is opened and checked
 * before; its sealed bytes are taken as they are. Throws `CORRUPTED` for a damaged one. What was sent when it fails is in an index, so
 * that the next prune goes on from there. Returns the bytes of the new packs.
 */
export async function rewritePacks(
  work: MaintenanceWork,
  settings: ResolvedResticSettings,
  catalog: IndexCatalog,
  marks: BlobMarks,
  packs: readonly PackUsage[],
): Promise<number> {
  if (packs.length === 0) return 0
  const { repository, options, lock } = work
  const data = { key: repository.key, memory: undefined, compressionLevel: 0 }
  const usedBytes = packs.reduce((sum, pack) => sum + pack.usedBytes, 0)
  await using workers = usedBytes > inlineBytes ? createBlobWorkers(data, settings.threads) : createInlineBlobWorkers(data)
  const controller = new AbortController()
  const signal = options.signal === undefined ? controller.signal : AbortSignal.any([options.signal, controller.signal])
  const writer = new BlobWriter({
    repository,
    index: catalog.blobs,
    workers,
    packBytes: settings.packBytes,
    packs: settings.packs,
    compressionLevel: settings.compressionLevel,
    signal,
  })
  const rewriting: MaintenanceWork = { ...work, options: { ...options, signal } }
  try {
    const wanted = new Set(packs.map(({ id }) => id))
    for (const file of filesNaming(catalog, packs)) {
      throwIfAborted(signal, 'repacking')
      const named = await readIndexFile(repository, file, rewriting.options)
      const runs = named.filter(({ id }) => wanted.delete(id)).flatMap((pack) => [...runsOf(catalog, marks, pack)])
      await eachAtOnce(runs, runsAtOnce, (run) => rewriteRun(rewriting, workers, writer, run))
    }
    await writer.finish({ signal })
    return writer.storedBytes
  } catch (error) {
    writer.stop(error)
    controller.abort(error)
    await writer.settled()
    if (!lock.lost.aborted) await writer.writeIndex({ signal: AbortSignal.timeout(30_000) }).catch(() => undefined)
    throw error
  }
}

async function rewriteRun(
  { repository, options }: MaintenanceWork,
  workers: BlobWorkers,
  writer: BlobWriter,
  { pack, blobs }: BlobRun,
): Promise<void> {
  const key = objectKey('data', pack)
  const begin = blobs[0]?.offset ?? 0
  const end = blobs.reduce((furthest, { offset, length }) => Math.max(furthest, offset + length), begin)
  const bytes = await readRange(repository.uploader, key, begin, end - begin, options)
  // Copies, since the bytes go to the workers.
  const sealed = blobs.map(({ offset, length }) => Buffer.from(bytes.subarray(offset - begin, offset - begin + length)))
  const placed = blobs.map(({ id, offset, length, uncompressedLength }) => ({ id, offset: offset - begin, length, uncompressedLength }))
  const { reasons } = await workers.check(bytes, placed)
  for (const [at, blob] of blobs.entries()) {
    const reason = reasons[at]
    if (reason !== undefined) throw damaged(key, `${blob.type} blob ${blob.id.slice(0, 16)} at ${blob.offset}: ${reason}`)
  }
  for (const [at, { type, id, uncompressedLength }] of blobs.entries()) {
    const bytesOfBlob = sealed[at]
    if (bytesOfBlob !== undefined) await writer.saveSealed(type, id, bytesOfBlob, uncompressedLength)
  }
  options.onProgress?.({ type: 'bytes', phase: 'store', bytes: blobs.reduce((sum, blob) => sum + plainLength(blob), 0) })
}

function filesNaming({ files }: IndexCatalog, packs: readonly PackUsage[]): StorageId[] {
  const numbers = new Set(packs.map(({ number }) => number))
  return files.filter((file) => file.packs.some((number) => numbers.has(number))).map(({ id }) => id)
}

/** What is used of a pack, in the order in which it lies there. */
function* runsOf(catalog: IndexCatalog, marks: BlobMarks, { id: pack, blobs }: IndexedPack): Generator<BlobRun, void> {
  const used = blobs.filter((blob) => isNeededHere(catalog, marks, pack, blob)).sort((left, right) => left.offset - right.offset)
  let run: PackedBlob[] = []
  let begin = 0
  let end = 0
  for (const blob of used) {
    const after = blob.offset + blob.length
    if (run.length > 0 && (blob.offset > end + gapBytes || after - begin > runBytes)) {
      yield { pack, blobs: run }
      run = []
    }
    if (run.length === 0) begin = blob.offset
    run.push(blob)
    end = after
  }
  if (run.length > 0) yield { pack, blobs: run }
}

/** Used, and to be kept in this pack where it lies in several. */
function isNeededHere({ blobs }: IndexCatalog, marks: BlobMarks, pack: StorageId, { type, id, offset }: PackedBlob): boolean {
  const row = blobs.row(type, Buffer.from(id, 'hex'))
  if (row < 0 || marks[type][row] === 0) return false
  const place = blobs.locationAt(type, row)
  return place.offset === offset && blobs.packId(place.packNumber) === pack
}
