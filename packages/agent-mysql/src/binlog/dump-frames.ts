import { crc32 } from 'node:zlib'
import { BackupError } from '@backup-planet/core'
import { binlogMagic, checksumBytes, eventHeaderBytes, readRotate } from './binlog-event.ts'
import { eventFlag, eventType, eventTypeName, isHeartbeat } from './binlog-event-type.ts'
import { isBinlogFileName } from './binlog-name.ts'
import { readErrorPacket, type ServerError } from './dump-packet.ts'

/** Bytes of one binlog, in order, as they are to be stored. Joined they are the file of the server. */
export interface BinlogPiece {
  readonly binlog: string
  /** Where the bytes lie in that binlog on the server. */
  readonly position: number
  /**
   * Whether they are no part of the binlog at this position, but what a file has to begin with that begins in the middle of a binlog: the magic
   * and the FORMAT_DESCRIPTION. Elsewhere the magic is at position 0.
   */
  readonly head: boolean
  /** Good until the next piece is asked for: their memory is used again. Who keeps them copies them. */
  readonly bytes: Buffer
}

/** Where a server has got to that has nothing more to send. */
export interface BinlogReached {
  readonly binlog: string
  readonly position: number
}

export type DumpEnd = { readonly kind: 'eof' } | { readonly kind: 'error'; readonly error: ServerError } | { readonly kind: 'binlog' }

export interface DumpFrameHandlers {
  onPiece(piece: BinlogPiece): void
  onHeartbeat(reached: BinlogReached): void
}

const packetHeaderBytes = 4
/** A payload of so many bytes is continued in the next packet. */
const fullPacket = 0xff_ffff
/** Header of the packet, the byte that says that an event follows, and the header of the event. */
const framedHeaderBytes = packetHeaderBytes + 1 + eventHeaderBytes
/** Longer than any packet that is not passed on: an error, or an event that names a binlog. */
const longestControl = 65_536

/**
 * Takes what a server sends in answer to COM_BINLOG_DUMP apart: events are put one behind the other, within the chunk that they came in, and events of
 * any size pass in pieces. What is in no file is left out: the ROTATE that names each file, heartbeats, and a FORMAT_DESCRIPTION that is sent again.
 * Throws `CORRUPTED` for what is no such answer.
 */
export class DumpFrames {
  readonly #handlers: DumpFrameHandlers
  readonly #until: string | undefined
  #binlog: string
  #position: number
  /** Of the current event, and of the packet that it is in, bytes that have not come. */
  #eventLeft = 0
  #packetLeft = 0
  #continues = false
  #described = false
  #rest: Buffer | undefined
  #end: DumpEnd | undefined
  /** In the current chunk: up to where events were put together, and from where on they were not handed over. */
  #written = 0
  #given = 0

  /** @param until the binlog of which nothing is wanted any more */
  constructor(begin: BinlogReached, until: string | undefined, handlers: DumpFrameHandlers) {
    this.#binlog = begin.binlog
    this.#position = begin.position
    this.#until = until
    this.#handlers = handlers
  }

  /** Why nothing more comes, once that is known. */
  get end(): DumpEnd | undefined {
    return this.#end
  }

  get reached(): BinlogReached {
    return { binlog: this.#binlog, position: this.#position }
  }

  /**
   * Takes the chunk over: pieces are parts of it, and good for as long as it is.
   *
   * @param headroom bytes before the chunk, in the same memory, that may be written to
   */
  push(received: Buffer, headroom = 0): void {
    const chunk = this.#behindRest(received, headroom)
    this.#rest = undefined
    this.#written = 0
    this.#given = 0
    let at = 0
    while (at < chunk.length && this.#end === undefined) {
      const next = this.#packetLeft > 0 ? this.#passEvent(chunk, at) : this.#readPacket(chunk, at)
      if (next === undefined) {
        this.#rest = Buffer.from(chunk.subarray(at))
        break
      }
      at = next
    }
    this.#give(chunk, false)
  }

  /** What was left of the chunk before is a few bytes, put in front of this one without moving it. */
  #behindRest(received: Buffer, headroom: number): Buffer {
    const rest = this.#rest
    if (rest === undefined) return received
    if (rest.length > headroom) return Buffer.concat([rest, received])
    const chunk = Buffer.from(received.buffer, received.byteOffset - rest.length, received.length + rest.length)
    rest.copy(chunk)
    return chunk
  }

  /** Hands over what has been put together. */
  #give(chunk: Buffer, head: boolean): void {
    const bytes = chunk.subarray(this.#given, this.#written)
    this.#given = this.#written
    if (bytes.length === 0) return
    this.#handlers.onPiece({ binlog: this.#binlog, position: this.#position, head, bytes })
    if (!head) this.#position += bytes.length
  }

  #passEvent(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#packetLeft)
    if (this.#written !== at) chunk.copyWithin(this.#written, at, end)
    this.#written += end - at
    this.#packetLeft -= end - at
    this.#eventLeft -= end - at
    this.#checkEventEnd()
    return end
  }

  #checkEventEnd(): void {
    if (this.#packetLeft > 0 || this.#continues || this.#eventLeft === 0) return
    throw this.#broken(`an event has ${Math.abs(this.#eventLeft)} bytes ${this.#eventLeft > 0 ? 'less' : 'more'} than it says`)
  }

  /** `undefined` where more bytes are needed. */
  #readPacket(chunk: Buffer, at: number): number | undefined {
    if (chunk.length - at < packetHeaderBytes) return undefined
    const length = chunk.readUIntLE(at, 3)
    if (this.#continues) {
      this.#packetLeft = length
      this.#continues = length === fullPacket
      this.#checkEventEnd()
      return at + packetHeaderBytes
    }
    if (chunk.length - at < packetHeaderBytes + 1) return undefined
    const status = chunk[at + packetHeaderBytes]
    if (status === 0xff || (status === 0xfe && length < 9)) return this.#readEnd(chunk, at, length)
    if (status !== 0 || length < 1 + eventHeaderBytes) throw this.#broken(`a packet of ${length} bytes is no event`)
    if (chunk.length - at < framedHeaderBytes) return undefined
    return this.#readEvent(chunk, at, length)
  }

  #readEnd(chunk: Buffer, at: number, length: number): number | undefined {
    if (length > longestControl) throw this.#broken(`an error of ${length} bytes`)
    const end = at + packetHeaderBytes + length
    if (chunk.length < end) return undefined
    const payload = chunk.subarray(at + packetHeaderBytes, end)
    this.#end = payload[0] === 0xff ? { kind: 'error', error: readErrorPacket(payload) } : { kind: 'eof' }
    return end
  }

  #readEvent(chunk: Buffer, at: number, length: number): number | undefined {
    const begin = at + packetHeaderBytes + 1
    const type = chunk[begin + 4] ?? 0
    const size = chunk.readUInt32LE(begin + 9)
    const logPos = chunk.readUInt32LE(begin + 13)
    const flags = chunk.readUInt16LE(begin + 17)
    if (length < fullPacket ? size !== length - 1 : size < length - 1) {
      throw this.#broken(`${eventTypeName(type)} of ${size} bytes comes in a packet of ${length}`)
    }
    const artificial = (flags & eventFlag.ARTIFICIAL) !== 0
    const isDescription = type === eventType.FORMAT_DESCRIPTION
    if (isHeartbeat(type) || (type === eventType.ROTATE && artificial) || (isDescription && logPos === 0 && this.#described)) {
      return this.#readControl(chunk, at, length, type)
    }
    if (isDescription && !this.#described) {
      this.#beginFile(chunk, logPos !== 0)
      // What stands for the beginning of the file is no part of what follows.
      if (logPos === 0) return this.#readHead(chunk, at, length)
    } else if (!this.#described) throw this.#broken(`${eventTypeName(type)} comes before the FORMAT_DESCRIPTION`)
    this.#packetLeft = length - 1
    this.#eventLeft = size
    this.#continues = length === fullPacket
    return begin
  }

  #beginFile(chunk: Buffer, whole: boolean): void {
    this.#give(chunk, false)
    this.#described = true
    const position = whole ? 0 : this.#position
    this.#handlers.onPiece({ binlog: this.#binlog, position, head: !whole, bytes: Buffer.from(binlogMagic) })
    if (whole) this.#position = binlogMagic.length
  }

  #readHead(chunk: Buffer, at: number, length: number): number | undefined {
    const begin = at + packetHeaderBytes + 1
    const end = at + packetHeaderBytes + length
    if (length > longestControl) throw this.#broken(`FORMAT_DESCRIPTION of ${length} bytes`)
    if (chunk.length < end) {
      this.#described = false
      return undefined
    }
    this.#handlers.onPiece({ binlog: this.#binlog, position: this.#position, head: true, bytes: Buffer.from(chunk.subarray(begin, end)) })
    return end
  }

  #readControl(chunk: Buffer, at: number, length: number, type: number): number | undefined {
    if (length > longestControl) throw this.#broken(`${eventTypeName(type)} of ${length} bytes`)
    const end = at + packetHeaderBytes + length
    if (chunk.length < end) return undefined
    if (type === eventType.ROTATE) this.#nameFile(chunk, chunk.subarray(at + packetHeaderBytes + 1, end))
    else if (isHeartbeat(type)) {
      this.#give(chunk, false)
      this.#handlers.onHeartbeat(this.reached)
    }
    return end
  }

  #nameFile(chunk: Buffer, event: Buffer): void {
    this.#give(chunk, false)
    const rotate = readRotate(withoutChecksum(event).subarray(eventHeaderBytes))
    if (rotate === undefined || !isBinlogFileName(rotate.binlog)) throw this.#broken('a ROTATE names no binlog')
    this.#binlog = rotate.binlog
    this.#position = Number(rotate.position)
    this.#described = false
    if (rotate.binlog === this.#until) this.#end = { kind: 'binlog' }
  }

  #broken(what: string): BackupError {
    return new BackupError(`the server sends no binlog behind ${this.#binlog}:${this.#position}: ${what}`, {
      code: 'CORRUPTED',
      hint: 'Something between this machine and the server changes what is sent, or the server is of a kind that is not known here; try again, with TLS.',
    })
  }
}

/** Whether there is a checksum depends on the server and the settings of both sides; this one cannot be told from the event, but by being right. */
function withoutChecksum(event: Buffer): Buffer {
  const end = event.length - checksumBytes
  if (end < eventHeaderBytes || crc32(event.subarray(0, end)) !== event.readUInt32LE(end)) return event
  return event.subarray(0, end)
}
