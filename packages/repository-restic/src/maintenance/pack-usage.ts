import type { PackNumber } from '../blob-index/blob-index.ts'
import type { BlobType } from '../format/pack-header.ts'
import type { StorageId } from '../format/storage-id.ts'
import { type ListedObject, objectKey } from '../repository-objects.ts'
import { damaged } from '../restic-errors.ts'
import type { IndexCatalog } from './index-catalog.ts'
import type { BlobMarks } from './used-blobs.ts'

/** How much of a pack is needed. */
export interface PackUsage {
  readonly id: StorageId
  /** Of the pack in the catalog; `undefined` when it is in no index. */
  readonly number: PackNumber | undefined
  readonly type: BlobType | 'mixed'
  /** In the store, 0 when it is not there. */
  readonly size: number
  /** Bytes of blobs that a snapshot needs from this pack and no other. */
  readonly usedBytes: number
  /** Bytes of the other blobs; all of a pack that is in no index. */
  readonly unusedBytes: number
  readonly blobs: number
  /** Too young to be touched. */
  readonly young: boolean
}

/** The packs in the store, by their ids. */
export type StoredPacks = ReadonlyMap<StorageId, Pick<ListedObject, 'size'> & { readonly young: boolean }>

/**
 * Of blobs that lie in several packs, those in packs as they must be come first. To be done before anything is read through the index.
 * Returns the packs, by number, that are not as their index says.
 */
export function avoidUnsoundPacks({ blobs, duplicates, packs }: IndexCatalog, stored: StoredPacks): ReadonlySet<PackNumber> {
  const unsound = new Set<PackNumber>()
  for (const [number, { id, bytes }] of packs.entries()) if (stored.get(id)?.size !== bytes) unsound.add(number)
  duplicates.prefer(blobs, (pack) => (unsound.has(pack) ? 1 : 0))
  return unsound
}

/**
 * Counts what of each pack is used, and settles for every blob that lies in several packs which of them is to keep it: the catalog has
 * that place then. Throws `CORRUPTED` when a used blob lies in a pack that is missing or not as the index says.
 *
 * @param marks of the blobs that are used
 */
export function usageOfPacks(catalog: IndexCatalog, marks: BlobMarks, stored: StoredPacks, unsound: ReadonlySet<PackNumber>): PackUsage[] {
  settleDuplicates(catalog, marks, stored, unsound)
  const used = new Float64Array(catalog.packs.length)
  const all = new Float64Array(catalog.packs.length)
  forEachPlace(catalog, (type, row, pack, length, counts) => {
    all[pack] = (all[pack] ?? 0) + length
    if (!counts || marks[type][row] === 0) return
    if (unsound.has(pack)) throw unsoundPack(catalog, stored, type, row, pack)
    used[pack] = (used[pack] ?? 0) + length
  })
  const usages = catalog.packs.map(({ id, type, blobs }, number): PackUsage => {
    const usedBytes = used[number] ?? 0
    const { size = 0, young = false } = stored.get(id) ?? {}
    return { id, number, type, size, usedBytes, unusedBytes: (all[number] ?? 0) - usedBytes, blobs, young }
  })
  for (const [id, { size, young }] of stored) {
    if (catalog.blobs.hasPack(id)) continue
    usages.push({ id, number: undefined, type: 'data', size, usedBytes: 0, unusedBytes: size, blobs: 0, young })
  }
  return usages
}

/**
 * One order of all packs, so that what is twice there stays in few: first those that are not touched anyway, then those with the least
 * that nobody uses. Packs that an interrupted prune had written hold nothing else, and so make those unused that they are to replace.
 */
function settleDuplicates(catalog: IndexCatalog, marks: BlobMarks, stored: StoredPacks, unsound: ReadonlySet<PackNumber>): void {
  const { blobs, duplicates, packs } = catalog
  const several = { data: new Uint8Array(marks.data.length), tree: new Uint8Array(marks.tree.length) }
  duplicates.forEach((type, row) => {
    several[type][row] = 1
  })
  const alone = new Float64Array(packs.length)
  const unused = new Float64Array(packs.length)
  forEachPlace(catalog, (type, row, pack, length) => {
    if (marks[type][row] === 0) unused[pack] = (unused[pack] ?? 0) + length
    else if (several[type][row] === 0) alone[pack] = (alone[pack] ?? 0) + length
  })
  const order = packs.map(({ id, bytes }, number) => ({
    number,
    class: unsound.has(number) ? 2 : stored.get(id)?.young ? 0 : 1,
    unused: (unused[number] ?? 0) / bytes,
    alone: alone[number] ?? 0,
    bytes,
  }))
  order.sort(
    (left, right) =>
      left.class - right.class ||
      left.unused - right.unused ||
      right.alone - left.alone ||
      right.bytes - left.bytes ||
      left.number - right.number,
  )
  const ranks = new Uint32Array(packs.length)
  for (const [rank, { number }] of order.entries()) ranks[number] = rank
  duplicates.prefer(blobs, (pack) => ranks[pack] ?? packs.length)
}

/** Every place of every blob; `counts` for the one that the index has. */
function forEachPlace(
  { blobs, duplicates }: IndexCatalog,
  listener: (type: BlobType, row: number, pack: PackNumber, length: number, counts: boolean) => void,
): void {
  const rows = { data: 0, tree: 0 }
  blobs.forEach((type, _id, pack, _offset, length) => {
    listener(type, rows[type]++, pack, length, true)
  })
  duplicates.forEach((type, row, pack, length) => {
    listener(type, row, pack, length, false)
  })
}

function unsoundPack({ blobs, packs }: IndexCatalog, stored: StoredPacks, type: BlobType, row: number, number: PackNumber): Error {
  const { id = '', bytes = 0 } = packs[number] ?? {}
  const size = stored.get(id)?.size
  const reason = size === undefined ? 'it is missing' : `it has ${size} bytes, and the index says ${bytes}`
  return damaged(objectKey('data', id), `${reason}; used ${type} blob ${blobs.hexId(type, row).slice(0, 16)} lies in it`)
}
