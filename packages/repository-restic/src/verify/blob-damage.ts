import type { BlobIndex } from '../blob-index/blob-index.ts'
import type { BlobType } from '../format/pack-header.ts'
import type { StorageId } from '../format/storage-id.ts'
import { plainLength } from '../read/blob-reader.ts'
import { findBlob } from '../repository-index.ts'

/** Which blobs cannot be read, as far as it is known. */
export class BlobDamage {
  readonly #index: BlobIndex
  readonly #sizes: ReadonlyMap<StorageId, number>
  readonly #unindexed: ReadonlySet<StorageId>
  readonly #damaged = new Map<string, string>()
  readonly #neededUnindexed = new Set<StorageId>()

  /**
   * @param sizes of the packs that are in the store
   * @param unindexed packs that are in the index by their headers only
   */
  constructor(index: BlobIndex, sizes: ReadonlyMap<StorageId, number>, unindexed: ReadonlySet<StorageId>) {
    this.#index = index
    this.#sizes = sizes
    this.#unindexed = unindexed
  }

  /** Packs in no index that a blob which was asked for lies in. */
  get neededUnindexed(): ReadonlySet<StorageId> {
    return this.#neededUnindexed
  }

  add(type: BlobType, id: StorageId, reason: string): void {
    this.#damaged.set(`${type}/${id}`, reason)
  }

  /** Why a blob cannot be read; `undefined` where nothing speaks against it. */
  reasonOf(type: BlobType, id: StorageId): string | undefined {
    const found = findBlob(this.#index, type, id)
    if (found === undefined) return `${type} blob ${id.slice(0, 16)} is in no pack`
    if (this.#unindexed.has(found.pack)) this.#neededUnindexed.add(found.pack)
    const size = this.#sizes.get(found.pack)
    if (size === undefined) return `pack ${found.pack.slice(0, 16)} is missing, and ${type} blob ${id.slice(0, 16)} with it`
    if (found.offset + found.length > size) return `pack ${found.pack.slice(0, 16)} ends before ${type} blob ${id.slice(0, 16)}`
    const reason = this.#damaged.get(`${type}/${id}`)
    return reason === undefined ? undefined : `${type} blob ${id.slice(0, 16)} in pack ${found.pack.slice(0, 16)}: ${reason}`
  }

  /** Bytes of a blob's plaintext, and the pack it lies in. */
  placeOf(type: BlobType, id: StorageId): { readonly pack: StorageId; readonly bytes: number } | undefined {
    const found = findBlob(this.#index, type, id)
    return found === undefined ? undefined : { pack: found.pack, bytes: plainLength(found) }
  }
}
