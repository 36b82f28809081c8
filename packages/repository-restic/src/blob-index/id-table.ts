import { idBytes, idHash } from './id-hash.ts'

const segmentShift = 16
const segmentRows = 2 ** segmentShift
const wordBytes = Uint32Array.BYTES_PER_ELEMENT

const fewestSlots = 2 ** 10
/** The share of slots that may be taken; when more are, runs of taken ones grow long. */
const mostTaken = 0.75

/**
 * Rows of an id of 32 bytes and a few values of 32 bits. No id is there twice. Rows are numbered as they come: the first is 0, the next 1,
 * and so on. There is no object for a row: they lie one after the other in segments that never move, and an open-addressed table of
 * 32 bits a slot finds them.
 *
 * A slot is 0 when it is free; else it holds the row plus one in as many low bits as the table's size has, and high bits of the id's hash in
 * the rest, so that a look-up hardly ever reads a row that is not the one it looks for.
 */
export class IdTable {
  readonly #rowWords: number
  /** The same segments, as bytes and as words. */
  readonly #bytes: Buffer[] = []
  readonly #words: Uint32Array[] = []
  #slots = new Int32Array(fewestSlots)
  #size = 0

  /** @param values how many a row has */
  constructor(values = 0) {
    this.#rowWords = idBytes / wordBytes + values
  }

  /** How many rows there are; the next new one gets this number. */
  get size(): number {
    return this.#size
  }

  /** Bytes of memory held. */
  get bytes(): number {
    return this.#words.length * segmentRows * this.#rowWords * wordBytes + this.#slots.byteLength
  }

  /** The row of an id, or -1. */
  find(id: Uint8Array): number {
    requireId(id)
    return this.#rowIn(this.#slotFor(id, idHash(id)))
  }

  /** The row of an id. Where there is none it is added: then it is what `size` was before, and its values are 0. */
  rowOf(id: Uint8Array): number {
    requireId(id)
    const hash = idHash(id)
    const slot = this.#slotFor(id, hash)
    const known = this.#rowIn(slot)
    if (known >= 0) return known
    const row = this.#append(id)
    this.#fill(slot, hash, row)
    if (this.#size > this.#slots.length * mostTaken) this.#double()
    return row
  }

  /** The value in a column, counted from 0. */
  value(row: number, column: number): number {
    return this.#segment(this.#words, row)[this.#firstValue(row) + column] ?? 0
  }

  setValue(row: number, column: number, value: number): void {
    this.#segment(this.#words, row)[this.#firstValue(row) + column] = value
  }

  copyId(row: number, target: Uint8Array): void {
    const bytes = this.#segment(this.#bytes, row)
    const first = this.#firstByte(row)
    for (let index = 0; index < idBytes; index++) target[index] = bytes[first + index] ?? 0
  }

  hexId(row: number): string {
    const first = this.#firstByte(row)
    return this.#segment(this.#bytes, row).toString('hex', first, first + idBytes)
  }

  #append(id: Uint8Array): number {
    const row = this.#size++
    if (row % segmentRows === 0) {
      const words = new Uint32Array(segmentRows * this.#rowWords)
      this.#words.push(words)
      this.#bytes.push(Buffer.from(words.buffer))
    }
    this.#segment(this.#bytes, row).set(id, this.#firstByte(row))
    return row
  }

  /** The slot that holds the id, or the free one that is to hold it. */
  #slotFor(id: Uint8Array, hash: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = slots[slot] ?? 0
      if (entry === 0) return slot
      if (((entry ^ hash) & ~mask) === 0 && this.#isAt((entry & mask) - 1, id)) return slot
    }
  }

  #rowIn(slot: number): number {
    return ((this.#slots[slot] ?? 0) & (this.#slots.length - 1)) - 1
  }

  #fill(slot: number, hash: number, row: number): void {
    this.#slots[slot] = (hash & -this.#slots.length) | (row + 1)
  }

  #isAt(row: number, id: Uint8Array): boolean {
    const bytes = this.#segment(this.#bytes, row)
    const first = this.#firstByte(row)
    for (let index = 0; index < idBytes; index++) if (bytes[first + index] !== id[index]) return false
    return true
  }

  /** Makes the slots anew, from the ids; the old ones go first, so that there are never both. */
  #double(): void {
    const length = this.#slots.length * 2
    this.#slots = new Int32Array(0)
    this.#slots = new Int32Array(length)
    const id = new Uint8Array(idBytes)
    for (let row = 0; row < this.#size; row++) {
      this.copyId(row, id)
      const hash = idHash(id)
      let slot = hash & (length - 1)
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (length - 1)
      this.#fill(slot, hash, row)
    }
  }

  #segment<Segment>(segments: readonly Segment[], row: number): Segment {
    const segment = segments[row >>> segmentShift]
    if (segment === undefined || row >= this.#size) throw new RangeError(`there is no row ${row}`)
    return segment
  }

  #firstByte(row: number): number {
    return (row & (segmentRows - 1)) * this.#rowWords * wordBytes
  }

  #firstValue(row: number): number {
    return (row & (segmentRows - 1)) * this.#rowWords + idBytes / wordBytes
  }
}

function requireId(id: Uint8Array): void {
  if (id.length !== idBytes) throw new TypeError(`an id has ${idBytes} bytes, not ${id.length}`)
}
