import type { BlobType } from '../format/pack-header.ts'
import { isStorageId } from '../format/storage-id.ts'
import { hostile } from '../restic-errors.ts'
import { idBytes } from './id-hash.ts'
import { IdTable } from './id-table.ts'

/** Stands for the id of a pack in one index. */
export type PackNumber = number

/** Where a blob lies. Of its pack it has the number, because a plan of a million blobs would else hold a million copies of ids. */
export interface BlobLocation {
  readonly packNumber: PackNumber
  readonly type: BlobType
  /** Bytes before the blob in the pack. */
  readonly offset: number
  /** Bytes of the encrypted blob in the pack. */
  readonly length: number
  /** Bytes that decompressing gives; 0 when the blob is not compressed. */
  readonly uncompressedLength: number
}

/** Told of one blob in one pack. `id` is 32 bytes that belong to the teller: copy them to keep them. */
export type BlobListener = (
  type: BlobType,
  id: Uint8Array,
  packNumber: PackNumber,
  offset: number,
  length: number,
  uncompressedLength: number,
) => void

export interface BlobIndexOptions {
  /** Hears of every blob that `add` was given and that lies elsewhere already. */
  readonly onDuplicate?: BlobListener | undefined
}

const types = ['data', 'tree'] as const satisfies readonly BlobType[]
const mostBytes = 2 ** 32 - 1

/**
 * Which blobs the packs of a repository hold, and where: what the files below `index/` say (restic, doc/design.rst, "Indexing"). A blob is
 * known by its type and its id, the SHA-256 of its plaintext; the same id may be there as tree and as data. Ten million blobs take
 * less than 640 MB, with no object for any of them.
 *
 * Throws a `BackupError` CORRUPTED for ids of packs and for numbers that cannot be, and a `TypeError` for a blob id that is not 32 bytes.
 */
export class BlobIndex {
  readonly #blobs = { data: new BlobTable(), tree: new BlobTable() }
  readonly #packs = new IdTable()
  readonly #onDuplicate: BlobListener | undefined
  #duplicates = 0

  constructor({ onDuplicate }: BlobIndexOptions = {}) {
    this.#onDuplicate = onDuplicate
  }

  /** Blobs, each counted once. */
  get size(): number {
    return this.#blobs.data.size + this.#blobs.tree.size
  }

  /** How often a blob was added that lies elsewhere already. */
  get duplicates(): number {
    return this.#duplicates
  }

  /** Packs that have a number. */
  get packCount(): number {
    return this.#packs.size
  }

  /** Bytes of memory held. */
  get bytes(): number {
    return this.#packs.bytes + this.#blobs.data.bytes + this.#blobs.tree.bytes
  }

  /** The number of a pack: the same for the same id, counted from 0 in the order in which they come. */
  addPack(packId: string): PackNumber {
    if (!isStorageId(packId)) throw hostile('an index', `it names a pack ${JSON.stringify(packId)}, which is no SHA-256 in hex`)
    return this.#packs.rowOf(Buffer.from(packId, 'hex'))
  }

  /** Whether a pack has a number. */
  hasPack(packId: string): boolean {
    return isStorageId(packId) && this.#packs.find(Buffer.from(packId, 'hex')) >= 0
  }

  packId(packNumber: PackNumber): string {
    return this.#packs.hexId(packNumber)
  }

  /** The ids of all packs that have a number, in hex, in the order of their numbers. */
  *packs(): IterableIterator<string> {
    for (let pack = 0; pack < this.#packs.size; pack++) yield this.#packs.hexId(pack)
  }

  /**
   * Returns whether the blob is new. Of one that is known the first place stays; being told of that very place once more is
   * nothing, another one is a duplicate.
   *
   * @param offset @param length @param uncompressedLength as in {@link BlobLocation}
   */
  add(packNumber: PackNumber, type: BlobType, id: Uint8Array, offset: number, length: number, uncompressedLength: number): boolean {
    if (!(isSize(packNumber) && packNumber < this.#packs.size)) throw new TypeError(`there is no pack number ${packNumber}`)
    if (!(isSize(offset) && isSize(length) && isSize(uncompressedLength))) {
      throw hostile(
        `pack ${this.packId(packNumber)}`,
        `an index says that it holds ${length} bytes from ${offset}, of ${uncompressedLength}`,
      )
    }
    const blobs = this.#blobs[type]
    const known = blobs.size
    const row = blobs.rowOf(id)
    if (row === known) {
      blobs.setPlace(row, packNumber, offset, length, uncompressedLength)
      return true
    }
    if (blobs.packNumber(row) === packNumber && blobs.offset(row) === offset) return false
    this.#duplicates++
    this.#onDuplicate?.(type, id, packNumber, offset, length, uncompressedLength)
    return false
  }

  has(type: BlobType, id: Uint8Array): boolean {
    return this.#blobs[type].find(id) >= 0
  }

  find(type: BlobType, id: Uint8Array): BlobLocation | undefined {
    const row = this.row(type, id)
    return row < 0 ? undefined : this.locationAt(type, row)
  }

  /** How many blobs of a type there are. */
  rows(type: BlobType): number {
    return this.#blobs[type].size
  }

  /** The row of a blob among those of its type, or -1: they are numbered from 0 as they come, so that marks can be kept beside them. */
  row(type: BlobType, id: Uint8Array): number {
    return this.#blobs[type].find(id)
  }

  hexId(type: BlobType, row: number): string {
    return this.#blobs[type].hexId(row)
  }

  locationAt(type: BlobType, row: number): BlobLocation {
    const blobs = this.#blobs[type]
    return {
      packNumber: blobs.packNumber(row),
      type,
      offset: blobs.offset(row),
      length: blobs.length(row),
      uncompressedLength: blobs.uncompressedLength(row),
    }
  }

  /** Of a blob that lies at several places: from now on this one counts, instead of the first. */
  relocate(row: number, { packNumber, type, offset, length, uncompressedLength }: BlobLocation): void {
    this.packId(packNumber)
    this.#blobs[type].setPlace(row, packNumber, offset, length, uncompressedLength)
  }

  /** Tells of every blob at the place that counts: the data in the order in which they were added, then the trees. */
  forEach(listener: BlobListener): void {
    const id = new Uint8Array(idBytes)
    for (const type of types) {
      const blobs = this.#blobs[type]
      for (let row = 0; row < blobs.size; row++) {
        blobs.copyId(row, id)
        listener(type, id, blobs.packNumber(row), blobs.offset(row), blobs.length(row), blobs.uncompressedLength(row))
      }
    }
  }
}

/** The blobs of one type, each with its place. */
class BlobTable extends IdTable {
  constructor() {
    super(4)
  }

  packNumber(row: number): PackNumber {
    return this.value(row, 0)
  }

  offset(row: number): number {
    return this.value(row, 1)
  }

  length(row: number): number {
    return this.value(row, 2)
  }

  uncompressedLength(row: number): number {
    return this.value(row, 3)
  }

  setPlace(row: number, packNumber: PackNumber, offset: number, length: number, uncompressedLength: number): void {
    this.setValue(row, 0, packNumber)
    this.setValue(row, 1, offset)
    this.setValue(row, 2, length)
    this.setValue(row, 3, uncompressedLength)
  }
}

function isSize(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= mostBytes
}
