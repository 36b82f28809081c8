import { BackupError } from '@backup-planet/core'
import {
  binlogMagic,
  checksumBytes,
  eventHeaderBytes,
  type FormatDescription,
  readEventHeader,
  readFormatDescription,
} from '../binlog/binlog-event.ts'
import { eventType } from '../binlog/binlog-event-type.ts'

/** One event as it stands in a binlog file. */
export interface ReplayEvent {
  readonly type: number
  /** Seconds since 1970. */
  readonly timestamp: number
  readonly serverId: number
  readonly flags: number
  /** Header, body and checksum. */
  readonly bytes: Buffer
  /** Without header and checksum. */
  readonly body: Buffer
  /** Bytes of the fixed part at the beginning of the body. */
  readonly fixedBytes: number
  /** Offsets in the binlog of the server, `end` exclusive. */
  readonly begin: number
  readonly end: number
}

/** An event, with the format of what follows where it is the event that describes it. */
export interface BinlogPiece {
  readonly format?: FormatDescription
  readonly event: ReplayEvent
}

/** Where a file of a backup lies in the binlog of the server. */
export interface FilePlace {
  /** Said in errors, such as `mysql-bin.000012`. */
  readonly name: string
  /** Offset on the server of the first byte after {@link headerLength}. */
  readonly from: number
  /** Bytes before that: 4 in a whole file, more in one that begins in the middle of a binlog. */
  readonly headerLength: number
}

/**
 * Cuts a binlog into its events. One event is held in memory at a time. For bytes that were scanned before: checksums are not compared here, and
 * what cannot be cut throws `CORRUPTED`.
 */
export async function* readBinlogEvents(content: AsyncIterable<Uint8Array>, place: FilePlace): AsyncGenerator<BinlogPiece, void, void> {
  const input = new Input()
  let format: FormatDescription | undefined
  let begun = false
  for await (const chunk of content) {
    input.add(chunk)
    if (!begun) {
      if (input.held < binlogMagic.length) continue
      if (!input.take(binlogMagic.length).equals(binlogMagic)) throw damaged(place, 0)
      begun = true
    }
    while (input.held >= eventHeaderBytes) {
      const { size, type } = readEventHeader(input.peek(eventHeaderBytes))
      if (size < eventHeaderBytes) throw damaged(place, input.position)
      if (input.held < size) break
      const position = input.position
      const bytes = input.take(size)
      const described = type === eventType.FORMAT_DESCRIPTION ? readFormatDescription(bytes) : undefined
      format = described ?? format
      if (format === undefined) throw damaged(place, position)
      const checked = described === undefined ? format.checksum === 'crc32' : described.ownChecksum
      const event = eventOf(bytes, checked, format, place, position)
      yield described === undefined ? { event } : { format: described, event }
    }
  }
  if (input.held > 0 || !begun) throw damaged(place, input.position)
}

function eventOf(bytes: Buffer, checked: boolean, format: FormatDescription, place: FilePlace, position: number): ReplayEvent {
  const { type, timestamp, serverId, flags } = readEventHeader(bytes)
  const bodyEnd = bytes.length - (checked ? checksumBytes : 0)
  if (bodyEnd < eventHeaderBytes) throw damaged(place, position)
  const begin = place.from + position - place.headerLength
  return {
    type,
    timestamp,
    serverId,
    flags,
    bytes,
    body: bytes.subarray(eventHeaderBytes, bodyEnd),
    fixedBytes: format.postHeaderBytes[type - 1] ?? 0,
    begin,
    end: begin + bytes.length,
  }
}

/** Bytes that have come and were not taken yet. */
class Input {
  #parts: Buffer[] = []
  held = 0
  /** Of the next byte to take. */
  position = 0

  add(chunk: Uint8Array): void {
    this.#parts.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    this.held += chunk.byteLength
  }

  /** The next bytes, which must have come; they can be taken still. */
  peek(bytes: number): Buffer {
    if ((this.#parts[0]?.length ?? 0) < bytes) this.#parts = [Buffer.concat(this.#parts)]
    return (this.#parts[0] ?? Buffer.alloc(0)).subarray(0, bytes)
  }

  take(bytes: number): Buffer {
    const taken = this.peek(bytes)
    const rest = this.#parts[0]?.subarray(bytes)
    if (rest === undefined || rest.length === 0) this.#parts.shift()
    else this.#parts[0] = rest
    this.held -= bytes
    this.position += bytes
    return taken
  }
}

function damaged(place: FilePlace, offset: number): BackupError {
  return new BackupError(`binlog ${place.name} is damaged at offset ${offset}: there is no whole event`, {
    code: 'CORRUPTED',
    hint: 'Restore to a moment before it, or from another copy of this backup.',
  })
}
