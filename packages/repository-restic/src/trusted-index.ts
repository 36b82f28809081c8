import type { OperationOptions } from '@backup-planet/core'
import type { BlobIndex } from './blob-index/blob-index.ts'
import { sealOverhead } from './crypto/sealed-bytes.ts'
import { headerLengthBytes } from './format/pack-header.ts'
import type { StorageId } from './format/storage-id.ts'
import type { OpenRepository } from './repository-access.ts'
import { type LoadedIndex, loadIndex } from './repository-index.ts'
import { type ListedObject, listObjects } from './repository-objects.ts'

/**
 * The index for who stores, and for who looks where else a blob lies: only of packs that are in the store with all of their bytes. An
 * index file may name a pack that somebody has removed, by hand or after a lock was lost; what builds on it would be listed and could
 * not be restored. Such packs are told as a problem, and what they held is stored anew.
 *
 * @param loaded what the index files say; given back as it is where every pack is there, so that there are never two of them for nothing
 * @param onUnindexed told of every pack in the store that no index file names
 */
export async function trustedIndex(
  repository: OpenRepository,
  loaded: LoadedIndex,
  options: OperationOptions,
  onUnindexed: (pack: ListedObject) => void = () => undefined,
): Promise<LoadedIndex> {
  const missing = await missingPacks(repository, loaded.blobs, options, onUnindexed)
  if (missing.size === 0) return loaded
  const [first = ''] = missing
  options.onProgress?.({
    type: 'problem',
    problem: {
      severity: 'warning',
      code: 'CORRUPTED',
      message: `${missing.size} packs that the index of ${repository.uploader.destination} names are not in the store, or are cut: ${first} is one`,
      hint: 'What this backup needs of them is stored anew. Older backups may be hit: run verify to see which, and rebuild-index to mend the index.',
    },
  })
  return loadIndex(repository, options, {}, missing)
}

async function missingPacks(
  repository: OpenRepository,
  blobs: BlobIndex,
  options: OperationOptions,
  onUnindexed: (pack: ListedObject) => void,
): Promise<ReadonlySet<StorageId>> {
  const ends = new Float64Array(blobs.packCount)
  blobs.forEach((_type, _id, pack, offset, length) => {
    ends[pack] = Math.max(ends[pack] ?? 0, offset + length)
  })
  const isThere = new Uint8Array(blobs.packCount)
  for await (const object of listObjects(repository.uploader, 'data', options)) {
    if (!blobs.hasPack(object.id)) {
      onUnindexed(object)
      continue
    }
    const pack = blobs.addPack(object.id)
    if (object.size >= (ends[pack] ?? 0) + sealOverhead + headerLengthBytes) isThere[pack] = 1
  }
  const missing = new Set<StorageId>()
  for (let pack = 0; pack < isThere.length; pack++) if (isThere[pack] !== 1) missing.add(blobs.packId(pack))
  return missing
}
