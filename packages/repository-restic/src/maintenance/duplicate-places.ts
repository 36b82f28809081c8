import type { BlobIndex, BlobLocation } from '../blob-index/blob-index.ts'
import type { BlobType } from '../format/pack-header.ts'

const words = 5

/** The further places of blobs that lie at several, without an object for each. */
export class DuplicatePlaces {
  readonly #places = { data: new Uint32Array(words * 64), tree: new Uint32Array(words * 64) }
  readonly #counts = { data: 0, tree: 0 }

  /** @param row of the blob in the index, which has another place of it */
  add(row: number, { type, packNumber, offset, length, uncompressedLength }: BlobLocation): void {
    const at = this.#counts[type]++ * words
    if (at === this.#places[type].length) {
      const longer = new Uint32Array(at * 2)
      longer.set(this.#places[type])
      this.#places[type] = longer
    }
    this.#places[type].set([row, packNumber, offset, length, uncompressedLength], at)
  }

  /** Tells of every place that the index does not have. */
  forEach(listener: (type: BlobType, row: number, packNumber: number, length: number) => void): void {
    for (const type of ['data', 'tree'] as const) {
      const places = this.#places[type]
      for (let at = 0; at < this.#counts[type] * words; at += words)
        listener(type, places[at] ?? 0, places[at + 1] ?? 0, places[at + 3] ?? 0)
    }
  }

  /**
   * Gives the index, of all places of a blob, the one whose pack comes first; what it had before is among the duplicates then.
   *
   * @param rank by the number of a pack; of two with the same rank the one that the index has stays
   */
  prefer(index: BlobIndex, rank: (packNumber: number) => number): void {
    for (const type of ['data', 'tree'] as const) {
      const places = this.#places[type]
      for (let at = 0; at < this.#counts[type] * words; at += words) {
        const [row = 0, packNumber = 0, offset = 0, length = 0, uncompressedLength = 0] = places.subarray(at, at + words)
        const known = index.locationAt(type, row)
        if (rank(packNumber) >= rank(known.packNumber)) continue
        index.relocate(row, { type, packNumber, offset, length, uncompressedLength })
        places.set([row, known.packNumber, known.offset, known.length, known.uncompressedLength], at)
      }
    }
  }
}
