import { setTimeout as pause } from 'node:timers/promises'
import type { BackupError, OperationOptions } from '@backup-planet/core'
import { BlobIndex, type PackNumber } from '../blob-index/blob-index.ts'
import { sealOverhead } from '../crypto/sealed-bytes.ts'
import { type IndexedPack, packsOfIndex } from '../format/index-file.ts'
import { type BlobType, headerLengthBytes, packHeaderBytes } from '../format/pack-header.ts'
import type { StorageId } from '../format/storage-id.ts'
import type { OpenRepository } from '../repository-access.ts'
import { eachAtOnce } from '../repository-index.ts'
import { listObjects, objectKey, readSealedJson } from '../repository-objects.ts'
import { damaged, isDamage } from '../restic-errors.ts'
import { DuplicatePlaces } from './duplicate-places.ts'

/** A file below `index/`. */
export interface IndexFile {
  readonly id: StorageId
  /** That it names. */
  readonly packs: readonly PackNumber[]
  readonly blobs: number
}

/** What the index files say of a pack. */
export interface DescribedPack {
  readonly id: StorageId
  readonly type: BlobType | 'mixed'
  readonly blobs: number
  /** What the pack must be of, header included; `NaN` when two index files say different things of it. */
  readonly bytes: number
}

/** Which packs the index files name, and which file names which. */
export interface PackCatalog {
  readonly files: readonly IndexFile[]
  /** By their numbers. */
  readonly packs: readonly DescribedPack[]
  /** Index files that are damaged, by their ids. */
  readonly failures: ReadonlyMap<StorageId, BackupError>
}

/** The same with every blob. */
export interface IndexCatalog extends PackCatalog {
  readonly blobs: BlobIndex
  /** Further places of blobs that lie in several packs. */
  readonly duplicates: DuplicatePlaces
}

/** Everything that the index files say. */
export async function readIndexCatalog(repository: OpenRepository, options: OperationOptions): Promise<IndexCatalog> {
  const duplicates = new DuplicatePlaces()
  const blobs = new BlobIndex({
    onDuplicate(type, id, packNumber, offset, length, uncompressedLength) {
      duplicates.add(blobs.row(type, id), { type, packNumber, offset, length, uncompressedLength })
    },
  })
  const id = Buffer.alloc(32)
  const catalog = await readPackCatalog(repository, options, blobs, (number, pack) => {
    for (const blob of pack.blobs) {
      id.write(blob.id, 'hex')
      blobs.add(number, blob.type, id, blob.offset, blob.length, blob.uncompressedLength)
    }
  })
  return { ...catalog, blobs, duplicates }
}

/** How often index files are listed again, when one is not there that was listed: by then its replacement is. */
const mostLooks = 5
const firstPauseMilliseconds = 50

/**
 * A pack that several index files name counts as the first of them says. An index file that vanishes meanwhile was replaced by another,
 * which is read too; one that stays listed and never is there counts as damaged.
 *
 * @param numbers gives the packs their numbers
 * @param onPack told of each pack once
 */
export async function readPackCatalog(
  repository: OpenRepository,
  options: OperationOptions,
  numbers: Pick<BlobIndex, 'addPack'> = new BlobIndex(),
  onPack: (number: PackNumber, pack: IndexedPack) => void = () => undefined,
): Promise<PackCatalog> {
  const files: IndexFile[] = []
  const packs: DescribedPack[] = []
  const failures = new Map<StorageId, BackupError>()
  const take = (pack: IndexedPack): PackNumber => {
    const number = numbers.addPack(pack.id)
    const described = describe(pack)
    const known = packs[number]
    if (known === undefined) {
      packs[number] = described
      onPack(number, pack)
    } else if (known.bytes !== described.bytes || known.blobs !== described.blobs) {
      packs[number] = { ...known, bytes: Number.NaN }
    }
    return number
  }
  const seen = new Set<StorageId>()
  for (let look = 1, again = true; again; look++) {
    again = false
    const ids: StorageId[] = []
    for await (const { id } of listObjects(repository.uploader, 'index', options)) if (!seen.has(id)) ids.push(id)
    await eachAtOnce(ids, repository.uploader.supports.concurrency, async (id) => {
      try {
        const named = await readIndexFile(repository, id, options)
        files.push({ id, packs: named.map(take), blobs: named.reduce((sum, pack) => sum + pack.blobs.length, 0) })
      } catch (error) {
        if (!isDamage(error)) throw error
        if (error.code === 'NOT_FOUND' && look < mostLooks) {
          again = true
          return
        }
        failures.set(id, error.code === 'NOT_FOUND' ? damaged(objectKey('index', id), 'it is listed and is not there') : error)
      }
      seen.add(id)
    })
    // An abort is told by the next look.
    if (again) await pause(firstPauseMilliseconds * 2 ** look, undefined, { signal: options.signal }).catch(() => undefined)
  }
  return { files, packs, failures }
}

export function readIndexFile(repository: OpenRepository, id: StorageId, options: OperationOptions): Promise<IndexedPack[]> {
  return readSealedJson(repository, 'index', id, (json) => [...packsOfIndex(json)], options)
}

function describe({ id, blobs }: IndexedPack): DescribedPack {
  const type = blobs[0]?.type ?? 'data'
  return {
    id,
    type: blobs.every((blob) => blob.type === type) ? type : 'mixed',
    blobs: blobs.length,
    bytes: packBytesOf(blobs),
  }
}

/** Of a pack that holds exactly these blobs; restic, doc/design.rst, "Pack Format". */
export function packBytesOf(blobs: IndexedPack['blobs']): number {
  return blobs.reduce((sum, { length }) => sum + length, 0) + packHeaderBytes(blobs) + sealOverhead + headerLengthBytes
}
