import { ThreadFailure } from './thread-failure.ts'

const tab = 0x09
const newline = 0x0a
const backslash = 0x5c
const nullMark = 0x4e

/** Byte → the letter after the backslash; 0 where the byte stands for itself. */
const escapeLetters = new Uint8Array(256)
escapeLetters[0x00] = 0x30
escapeLetters[tab] = 0x74
escapeLetters[newline] = 0x6e
escapeLetters[backslash] = backslash

/**
 * Turns rows as they come off the wire (text protocol, length-encoded strings) into `LOAD DATA` text: fields separated
 * by tab, rows ended by newline, NULL as `\N`, the bytes 0x00, tab, newline and backslash escaped, every other byte as it is.
 * Sources: MySQL internals "Text Resultset Row"; reference manual "LOAD DATA", field and line handling.
 *
 * The text leaves in blocks of at most `blockBytes`. A block handed out is never touched again until it is given back with
 * `recycle`, which spares the garbage collector as many bytes as the table has.
 */
export class RowText {
  /** Of text since the last `reset`. */
  bytes = 0
  rows = 0
  readonly #columns: number
  readonly #blockBytes: number
  readonly #emit: (block: Uint8Array<ArrayBuffer>) => void
  readonly #free: ArrayBuffer[] = []
  #block: Uint8Array<ArrayBuffer>
  #used = 0

  constructor(columns: number, blockBytes: number, emit: (block: Uint8Array<ArrayBuffer>) => void) {
    if (blockBytes < 16) throw new RangeError('a block of text must have room for 16 bytes')
    this.#columns = columns
    this.#blockBytes = blockBytes
    this.#emit = emit
    this.#block = new Uint8Array(blockBytes)
  }

  /** Adds the row that lies in `packet` from `begin` to `end`. Throws `CORRUPTED` when it does not hold exactly the columns promised. */
  add(packet: Buffer, begin: number, end: number): void {
    let position = begin
    for (let column = 0; column < this.#columns; column++) {
      if (column > 0) this.#put(tab)
      if (position >= end) throw malformedRow()
      const first = packet[position] ?? 0
      if (first === 0xfb) {
        position++
        this.#put(backslash)
        this.#put(nullMark)
        continue
      }
      const length = fieldLength(packet, position, end)
      position += lengthBytes(first)
      if (length > end - position) throw malformedRow()
      this.#field(packet, position, position + length)
      position += length
    }
    if (position !== end) throw malformedRow()
    this.#put(newline)
    this.rows++
  }

  /** Hands out what is left in the last block. */
  flush(): void {
    if (this.#used === 0) return
    this.#emit(this.#block.subarray(0, this.#used))
    this.bytes += this.#used
    this.#used = 0
    this.#block = new Uint8Array(this.#free.pop() ?? new ArrayBuffer(this.#blockBytes))
  }

  /** Takes a block back whose content nobody needs any more. */
  recycle(block: Uint8Array<ArrayBuffer>): void {
    this.#free.push(block.buffer)
  }

  /** Text since the last `reset`, with what has not been handed out yet. */
  get size(): number {
    return this.bytes + this.#used
  }

  /** Flushes, and counts from zero: a new file begins. */
  reset(): void {
    this.flush()
    this.bytes = 0
    this.rows = 0
  }

  /** Bytes that need no escape. */
  #copy(packet: Buffer, begin: number, end: number): void {
    let position = begin
    while (position < end) {
      if (this.#used === this.#blockBytes) this.flush()
      const stop = Math.min(end, position + this.#blockBytes - this.#used)
      packet.copy(this.#block, this.#used, position, stop)
      this.#used += stop - position
      position = stop
    }
  }

  #put(byte: number): void {
    if (this.#used === this.#blockBytes) this.flush()
    this.#block[this.#used++] = byte
  }

  #field(packet: Buffer, begin: number, end: number): void {
    let position = begin
    if (end - begin >= longField) {
      const clean = begin + cleanLength(packet.subarray(begin, end))
      this.#copy(packet, begin, clean)
      position = clean
    }
    while (position < end) {
      // Every byte may need two: take only as many as certainly fit, so that the inner loop needs no check.
      const room = (this.#blockBytes - this.#used) >> 1
      if (room < 1) {
        this.flush()
        continue
      }
      const stop = Math.min(end, position + room)
      const block = this.#block
      let used = this.#used
      for (; position < stop; position++) {
        const byte = packet[position] as number
        const letter = escapeLetters[byte] as number
        if (letter === 0) block[used++] = byte
        else {
          block[used++] = backslash
          block[used++] = letter
        }
      }
      this.#used = used
    }
  }
}

/** From this length on, searching and copying by the runtime is faster than byte by byte. */
const longField = 64

/** How many bytes at the beginning of a field stand for themselves. */
function cleanLength(field: Buffer): number {
  let clean = field.length
  for (const byte of [0x00, tab, newline, backslash]) {
    const found = field.indexOf(byte)
    if (found >= 0 && found < clean) clean = found
  }
  return clean
}

/** Bytes of text that a row becomes. Throws like {@link RowText.add}. */
export function rowTextLength(columns: number, packet: Uint8Array, begin: number, end: number): number {
  let position = begin
  let text = columns
  for (let column = 0; column < columns; column++) {
    if (position >= end) throw malformedRow()
    const first = packet[position] ?? 0
    if (first === 0xfb) {
      position++
      text += 2
      continue
    }
    const length = fieldLength(packet, position, end)
    position += lengthBytes(first)
    const stop = position + length
    if (stop > end) throw malformedRow()
    text += length
    for (; position < stop; position++) if (escapeLetters[packet[position] ?? 0] !== 0) text++
  }
  return text
}

function lengthBytes(first: number): number {
  return first < 0xfb ? 1 : first === 0xfc ? 3 : first === 0xfd ? 4 : 9
}

function fieldLength(packet: Uint8Array, position: number, end: number): number {
  const first = packet[position] ?? 0
  if (first < 0xfb) return first
  if (first === 0xff || position + lengthBytes(first) > end) throw malformedRow()
  let length = 0
  for (let index = lengthBytes(first) - 1; index >= 1; index--) length = length * 256 + (packet[position + index] ?? 0)
  return length
}

function malformedRow(): ThreadFailure {
  return new ThreadFailure(
    'a row from the server does not hold the columns it promised',
    'CORRUPTED',
    'Something between here and the server changes the traffic, or the server is faulty; use TLS and run again.',
  )
}
