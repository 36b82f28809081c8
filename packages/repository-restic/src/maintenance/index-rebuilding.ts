import { type OperationOptions, type RebuildIndexReport, type RebuildIndexRequest, throwIfAborted } from '@backup-planet/core'
import type { IndexedPack } from '../format/index-file.ts'
import type { StorageId } from '../format/storage-id.ts'
import { eachAtOnce, readPackHeader } from '../repository-index.ts'
import { listObjects, objectKey } from '../repository-objects.ts'
import { isDamage } from '../restic-errors.ts'
import type { ResticSession } from '../restic-session.ts'
import { readPackCatalog } from './index-catalog.ts'
import { writeReplacements } from './index-replacement.ts'
import { type MaintenanceWork, underLock } from './maintenance-lock.ts'
import { removeObjects } from './object-removal.ts'

/**
 * What a rebuilding has found and done. Of a damaged pack stays what a whole index file says of it, as far as the pack reaches. Run verify with
 * `readData` to see which backups are hit.
 */
export interface ResticRebuildReport extends RebuildIndexReport {
  /** In the store. */
  readonly packs: number
  /** Packs whose headers were read. */
  readonly packsRead: number
}

/**
 * Makes the index say what the packs hold. Index files that do already stay; the others are replaced: new ones first, then the old ones
 * go. No pack is touched. Throws `CONFLICT` when others work on the repository.
 */
export async function rebuildIndex(
  session: ResticSession,
  request: RebuildIndexRequest,
  options: OperationOptions,
): Promise<ResticRebuildReport> {
  return await underLock(session, { exclusive: true, what: 'rebuilding the index' }, options, (work) => rebuild(request, work))
}

type DamagedObject = RebuildIndexReport['damagedPacks'][number]

async function rebuild({ readAll = false }: RebuildIndexRequest, work: MaintenanceWork): Promise<ResticRebuildReport> {
  const { repository, lock, options } = work
  options.onProgress?.({ type: 'step', text: 'reading the index' })
  const catalog = await readPackCatalog(repository, options)
  const sizes = new Map<StorageId, number>()
  for await (const { id, size } of listObjects(repository.uploader, 'data', options)) sizes.set(id, size)
  const known = new Set(catalog.packs.filter(({ id, bytes }) => sizes.get(id) === bytes).map(({ id }) => id))
  const toRead = [...sizes].filter(([id]) => readAll || !known.has(id))
  const replaced = catalog.files.filter(({ packs }) => readAll || packs.some((number) => !known.has(catalog.packs[number]?.id ?? '')))
  options.onProgress?.({ type: 'step', text: `reading the headers of ${toRead.length} of ${sizes.size} packs` })
  await lock.assertHeld(options)
  const damagedPacks: DamagedObject[] = []
  const ids = replaced.map(({ id }) => id)
  const kept = (pack: IndexedPack) => (known.has(pack.id) ? pack : withinPack(pack, sizes.get(pack.id) ?? 0))
  const written = await writeReplacements(work, ids, kept, readHeaders(work, toRead, damagedPacks))
  const { removed, retained } = await removeObjects(work, 'index', [...ids, ...catalog.failures.keys()])
  return {
    packs: sizes.size,
    packsRead: toRead.length,
    indexFilesWritten: written.length,
    indexFilesRemoved: removed.size,
    damagedPacks,
    missingPacks: catalog.packs.filter(({ id }) => !sizes.has(id)).map(({ id }) => objectKey('data', id)),
    retained,
  }
}

/** The blobs that end before a pack does: of one whose end is gone, they can be read still. */
function withinPack({ id, blobs }: IndexedPack, size: number): IndexedPack | undefined {
  const within = blobs.filter(({ offset, length }) => offset + length <= size)
  return within.length === 0 ? undefined : { id, blobs: within }
}

/** Held in memory at once, with all of their blobs. */
const headersAtOnce = 32

/** @param damagedPacks gets those whose header cannot be read */
async function* readHeaders(
  { repository, options }: MaintenanceWork,
  packs: readonly (readonly [StorageId, number])[],
  damagedPacks: DamagedObject[],
): AsyncGenerator<IndexedPack, void> {
  for (let at = 0; at < packs.length; at += headersAtOnce) {
    throwIfAborted(options.signal, 'rebuilding the index')
    const read: IndexedPack[] = []
    await eachAtOnce(packs.slice(at, at + headersAtOnce), repository.uploader.supports.concurrency, async ([id, size]) => {
      try {
        read.push({ id, blobs: await readPackHeader(repository, id, size, options) })
      } catch (error) {
        if (!isDamage(error)) throw error
        damagedPacks.push({ key: objectKey('data', id), reason: error.message })
      }
    })
    yield* read
  }
}
