import { crc32 } from 'node:zlib'
import { damagedBinlog, encryptedBinlog, foreignBinlog } from './binlog-damage.ts'
import { binlogMagic, checksumBytes, encryptedBinlogMagic, eventHeaderBytes, type FormatDescription } from './binlog-event.ts'
import { eventFlag, eventType, eventTypeName, isHeartbeat } from './binlog-event-type.ts'
import { checkedDescription } from './checked-description.ts'
import { keptBytes, type WalkedEvent } from './walked-event.ts'

export interface EventWalkOptions {
  /** Of the binlog, for messages. */
  readonly name: string
  /**
   * Offset on the server of the first event after the FORMAT_DESCRIPTION where that one is not part of it, as in bytes that begin in the middle of
   * a binlog. Taken from that event when left out.
   */
  readonly begin?: number | undefined
}

const wrap = 2 ** 32
/** More than any FORMAT_DESCRIPTION: 256 types. */
const longestDescription = 1024
const longestKept = 64 * 1024 * 1024

/**
 * Walks the events of one binlog as its bytes come, in memory that does not grow with the size of the events. Every event is checked: its size,
 * its CRC32 where the binlog has them, and that it lies where it says it does. All methods throw `CORRUPTED`, or `UNSUPPORTED` for what is
 * encrypted or of another version.
 */
export class EventWalk {
  readonly #name: string
  readonly #onEvent: (event: WalkedEvent) => void
  /** Bytes of the current event, or of the magic, that came in earlier chunks: the first ones, as many as are needed. */
  #kept = Buffer.alloc(0)
  #keptLength = 0
  /** How many bytes of the current event have come. */
  #arrived = 0
  #hasMagic = false
  #crc = 0
  #description: FormatDescription | undefined
  #begin: number | undefined
  /** Where the current event begins on the server. */
  #from = binlogMagic.length
  #logPos = 0
  readonly #tail = Buffer.alloc(checksumBytes)
  readonly #event: WalkedEvent = {
    timestamp: 0,
    type: 0,
    serverId: 0,
    size: 0,
    flags: 0,
    begin: 0,
    from: 0,
    stored: true,
    bytes: this.#kept,
  }

  constructor(options: EventWalkOptions, onEvent: (event: WalkedEvent) => void) {
    this.#name = options.name
    this.#begin = options.begin
    this.#onEvent = onEvent
  }

  get description(): FormatDescription | undefined {
    return this.#description
  }

  /** Where the event that has not come whole yet, or not at all, begins: in the bytes read, and on the server. */
  get offset(): number {
    return this.#event.begin
  }

  get serverOffset(): number {
    return this.#from
  }

  /** Takes the next bytes, of any length. They may be used again as soon as this returns. */
  push(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      at = this.#hasMagic ? this.#pushEvent(chunk, at) : this.#pushMagic(chunk, at)
    }
  }

  /** To be called after the last bytes: throws when they end inside an event, or before there is any. */
  end(): void {
    if (!this.#hasMagic) throw damagedBinlog(this.#name, 0, `it ends after ${this.#keptLength} bytes`)
    if (this.#arrived > 0) {
      const of =
        this.#arrived < eventHeaderBytes ? 'the header of an event' : `${eventTypeName(this.#event.type)} of ${this.#event.size} bytes`
      throw this.#damaged(`it ends ${this.#arrived} bytes into ${of}`)
    }
    if (this.#description === undefined) throw this.#damaged('it ends before its FORMAT_DESCRIPTION')
  }

  #damaged(what: string): Error {
    return damagedBinlog(this.#name, this.#event.begin, what)
  }

  #pushMagic(chunk: Buffer, at: number): number {
    const taken = this.#keep(chunk, at, binlogMagic.length)
    if (this.#keptLength < binlogMagic.length) return taken
    const magic = this.#kept.subarray(0, binlogMagic.length)
    if (magic.equals(encryptedBinlogMagic)) throw encryptedBinlog(this.#name)
    if (!magic.equals(binlogMagic)) throw damagedBinlog(this.#name, 0, `it begins with ${magic.toString('hex')} instead of fe62696e`)
    this.#hasMagic = true
    this.#event.begin = binlogMagic.length
    this.#keptLength = 0
    return taken
  }

  /** Takes as much of `chunk` from `at` as is missing to `length` kept bytes. */
  #keep(chunk: Buffer, at: number, length: number): number {
    const end = Math.min(chunk.length, at + length - this.#keptLength)
    if (this.#kept.length < length)
      this.#kept = Buffer.concat([this.#kept.subarray(0, this.#keptLength)], Math.max(length, 2 * this.#kept.length, 2048))
    chunk.copy(this.#kept, this.#keptLength, at, end)
    this.#keptLength += end - at
    return end
  }

  #pushEvent(chunk: Buffer, at: number): number {
    if (this.#arrived === 0 && chunk.length - at >= eventHeaderBytes) {
      this.#readHeader(chunk, at)
      if (chunk.length - at >= this.#event.size) return this.#wholeEvent(chunk, at)
    } else if (this.#arrived < eventHeaderBytes) {
      const begin = at
      at = this.#keep(chunk, at, eventHeaderBytes)
      this.#arrived += at - begin
      if (this.#arrived < eventHeaderBytes) return at
      this.#readHeader(this.#kept, 0)
      this.#crc = crc32(this.#kept.subarray(0, eventHeaderBytes))
    }
    return this.#partOfEvent(chunk, at)
  }

  /** The usual case: nothing is copied. */
  #wholeEvent(chunk: Buffer, at: number): number {
    const event = this.#event
    const end = at + event.size
    const bodyEnd = this.#isChecked() ? end - checksumBytes : end
    if (bodyEnd < end && event.type !== eventType.FORMAT_DESCRIPTION) {
      this.#checkCrc(crc32(chunk.subarray(at, bodyEnd)), chunk.readUInt32LE(bodyEnd))
    }
    event.bytes = chunk.subarray(at, event.type === eventType.FORMAT_DESCRIPTION ? end : bodyEnd)
    this.#finish()
    return end
  }

  #partOfEvent(chunk: Buffer, at: number): number {
    const { type, size } = this.#event
    const end = Math.min(chunk.length, at + size - this.#arrived)
    const bodyEnd = size - (this.#isChecked() ? checksumBytes : 0)
    const kept = keptBytes(type, size)
    if (this.#keptLength < kept) this.#keep(chunk, at, Math.min(kept, this.#keptLength + end - at))
    const bodyInChunk = Math.min(end, at + bodyEnd - this.#arrived)
    if (bodyInChunk > at && bodyEnd < size) this.#crc = crc32(chunk.subarray(at, bodyInChunk), this.#crc)
    for (let index = Math.max(at, bodyInChunk); index < end; index++) {
      this.#tail[this.#arrived + index - at - bodyEnd] = chunk[index] ?? 0
    }
    this.#arrived += end - at
    if (this.#arrived < size) return end
    if (type !== eventType.FORMAT_DESCRIPTION && bodyEnd < size) this.#checkCrc(this.#crc, this.#tail.readUInt32LE(0))
    this.#event.bytes = this.#kept.subarray(0, type === eventType.FORMAT_DESCRIPTION ? size : Math.min(this.#keptLength, bodyEnd))
    this.#finish()
    return end
  }

  #isChecked(): boolean {
    return this.#description?.checksum === 'crc32'
  }

  #readHeader(bytes: Buffer, at: number): void {
    const event = this.#event
    event.timestamp = bytes.readUInt32LE(at)
    event.type = bytes[at + 4] ?? 0
    event.serverId = bytes.readUInt32LE(at + 5)
    event.size = bytes.readUInt32LE(at + 9)
    event.flags = bytes.readUInt16LE(at + 17)
    this.#logPos = bytes.readUInt32LE(at + 13)
    this.#crc = 0
    this.#checkHeader()
  }

  #checkHeader(): void {
    const event = this.#event
    const isDescription = event.type === eventType.FORMAT_DESCRIPTION
    if (event.type === 0 && event.size === 0) throw this.#damaged('zeros stand where an event should begin')
    if (event.size < eventHeaderBytes + (this.#isChecked() ? checksumBytes : 0)) {
      throw this.#damaged(`${eventTypeName(event.type)} says that it has ${event.size} bytes`)
    }
    if (this.#description === undefined && !isDescription) {
      if (event.type === eventType.START_V3) throw foreignBinlog(this.#name, 'it is of version 3 or older')
      throw this.#damaged(`it begins with ${eventTypeName(event.type)} instead of FORMAT_DESCRIPTION`)
    }
    if (isDescription && event.size > longestDescription) throw this.#damaged(`FORMAT_DESCRIPTION says that it has ${event.size} bytes`)
    if (keptBytes(event.type, event.size) > longestKept) {
      throw foreignBinlog(this.#name, `${eventTypeName(event.type)} at offset ${event.begin} has ${event.size} bytes`)
    }
    // A server that decrypts what it sends says so by this flag.
    if (event.type === eventType.START_ENCRYPTION && (event.flags & eventFlag.IGNORABLE) === 0) throw encryptedBinlog(this.#name)
    this.#checkPlace(isDescription)
  }

  /** Every event says where it ends, so that lost, doubled and moved ones are found even where there are no checksums. */
  #checkPlace(isDescription: boolean): void {
    const event = this.#event
    const artificial = isDescription || (event.flags & eventFlag.ARTIFICIAL) !== 0
    const expected = (this.#from + event.size) % wrap
    if ((this.#logPos === 0 && artificial && expected !== 0) || isHeartbeat(event.type)) {
      event.stored = false
      event.from = this.#from
      if (isDescription && this.#description === undefined) this.#from = -1
      return
    }
    if (this.#from < 0) this.#from = this.#logPos - event.size
    event.stored = true
    event.from = this.#from
    if (this.#from < 0 || (this.#from + event.size) % wrap !== this.#logPos) {
      throw this.#damaged(
        `${eventTypeName(event.type)} of ${event.size} bytes at position ${this.#from} says that it ends at ${this.#logPos}`,
      )
    }
  }

  #checkCrc(computed: number, stored: number): void {
    if (computed !== stored) throw this.#damaged(`the checksum of ${eventTypeName(this.#event.type)} does not match`)
  }

  #finish(): void {
    const event = this.#event
    const isFirst = this.#description === undefined
    if (event.type === eventType.FORMAT_DESCRIPTION) {
      this.#description = checkedDescription(this.#name, event)
      if (this.#description.ownChecksum) event.bytes = event.bytes.subarray(0, event.size - checksumBytes)
    }
    this.#onEvent(event)
    event.begin += event.size
    if (event.stored) this.#from += event.size
    if (isFirst && this.#begin !== undefined && this.#begin > binlogMagic.length) this.#from = this.#begin
    this.#arrived = 0
    this.#keptLength = 0
  }
}
