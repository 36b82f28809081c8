import { createZstdDecompress } from 'node:zlib'
import { BackupError } from '@backup-planet/core'
import { checksumBytes, eventHeaderBytes, type FormatDescription, readEventHeader } from '../binlog/binlog-event.ts'
import { eventType } from '../binlog/binlog-event-type.ts'
import { withChecksum } from './log-replay-edits.ts'
import type { BinlogPiece, ReplayEvent } from './log-replay-events.ts'

/** Fields before the content: 0 ends them, and the others have a length before their value. */
const field = { end: 0, size: 1, compression: 2, uncompressedSize: 3 } as const
const compression = { zstd: 0, none: 255 } as const

/**
 * The same events with those that MySQL has packed into one (`binlog_transaction_compression`) in its place, so that they can be told apart like any other:
 * a compressed transaction may hold anything, tables of accounts too. Each of them has the place of the one that held it. Source: MySQL
 * `Transaction_payload_event` (libs/mysql/binlog/event/binlog_event.h, codecs/binary.cpp); events inside have no checksum. Throws `CORRUPTED` for what
 * cannot be unpacked, `UNSUPPORTED` for what is packed in a way that is not known.
 */
export async function* unpackedTransactions(pieces: AsyncIterable<BinlogPiece>, name: string): AsyncGenerator<BinlogPiece, void, void> {
  let format: FormatDescription | undefined
  for await (const piece of pieces) {
    format = piece.format ?? format
    if (piece.event.type !== eventType.TRANSACTION_PAYLOAD || format === undefined) yield piece
    else for await (const event of eventsIn(piece.event, format, name)) yield { event }
  }
}

async function* eventsIn(packed: ReplayEvent, format: FormatDescription, name: string): AsyncGenerator<ReplayEvent, void, void> {
  const held = new HeldBytes()
  let any = false
  for await (const chunk of contentOf(packed, name)) {
    held.add(chunk)
    for (;;) {
      const head = held.first(eventHeaderBytes)
      if (head === undefined) break
      const { size } = readEventHeader(head)
      if (size < eventHeaderBytes) throw damaged(packed, name)
      const inner = held.first(size)
      if (inner === undefined) break
      yield innerEvent(inner.subarray(0, size), packed, format)
      any = true
      held.drop(size)
    }
  }
  if (held.length > 0 || !any) throw damaged(packed, name)
}

/** Chunks of a stream, which are joined only when as much is there as is asked for: each byte is copied once or twice, however long an event is. */
class HeldBytes {
  #chunks: Buffer[] = []
  length = 0

  add(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.length += chunk.length
  }

  /** At least so many bytes from the first on; `undefined` where they are not there yet. */
  first(bytes: number): Buffer | undefined {
    if (this.length < bytes) return undefined
    let [first = Buffer.alloc(0)] = this.#chunks
    if (first.length >= bytes) return first
    let [joined, count] = [0, 0]
    while (joined < bytes) joined += this.#chunks[count++]?.length ?? 0
    first = Buffer.concat(this.#chunks.slice(0, count))
    this.#chunks = [first, ...this.#chunks.slice(count)]
    return first
  }

  drop(bytes: number): void {
    const [first = Buffer.alloc(0), ...others] = this.#chunks
    this.#chunks = bytes < first.length ? [first.subarray(bytes), ...others] : others
    this.length -= bytes
  }
}

/** As if the server had written it by itself: with a checksum where the others have one. */
function innerEvent(inner: Buffer, { begin, end }: ReplayEvent, format: FormatDescription): ReplayEvent {
  const checked = format.checksum === 'crc32'
  const bytes = Buffer.concat([inner, ...(checked ? [Buffer.alloc(checksumBytes)] : [])])
  bytes.writeUInt32LE(bytes.length, 9)
  bytes.writeUInt32LE(end % 2 ** 32, 13)
  withChecksum(bytes, checked)
  const { type, timestamp, serverId, flags } = readEventHeader(bytes)
  const body = bytes.subarray(eventHeaderBytes, inner.length)
  return { type, timestamp, serverId, flags, bytes, body, fixedBytes: format.postHeaderBytes[type - 1] ?? 0, begin, end }
}

async function* contentOf(packed: ReplayEvent, name: string): AsyncGenerator<Buffer, void, void> {
  const { type, content, uncompressedBytes } = readHead(packed, name)
  if (type === compression.none) return yield content
  if (type !== compression.zstd) {
    throw new BackupError(`binlog ${name} at offset ${packed.begin}: a transaction is compressed in a way that is not known (${type})`, {
      code: 'UNSUPPORTED',
      hint: 'Restore to this position, and go on by hand with the tools of the server that wrote the log.',
    })
  }
  const unpacking = createZstdDecompress()
  unpacking.end(content)
  let bytes = 0
  try {
    for await (const chunk of unpacking as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (uncompressedBytes !== undefined && bytes > uncompressedBytes) break
      yield chunk
    }
  } catch (error) {
    throw damaged(packed, name, error)
  } finally {
    unpacking.destroy()
  }
  if (uncompressedBytes !== undefined && bytes !== uncompressedBytes) throw damaged(packed, name)
}

interface PayloadHead {
  readonly type: number
  readonly uncompressedBytes: number | undefined
  readonly content: Buffer
}

function readHead(packed: ReplayEvent, name: string): PayloadHead {
  const { body } = packed
  let at = 0
  /** MySQL "Protocol::LengthEncodedInteger". */
  const next = (): number => {
    const first = body[at++] ?? 255
    const more = first < 251 ? 0 : first === 252 ? 2 : first === 253 ? 3 : first === 254 ? 8 : Number.POSITIVE_INFINITY
    if (at + more > body.length) throw damaged(packed, name)
    at += more
    if (more === 0) return first
    return more === 8 ? Number(body.readBigUInt64LE(at - 8)) : body.readUIntLE(at - more, more)
  }
  const found = new Map<number, number>()
  for (let id = next(); id !== field.end; id = next()) {
    const end = next() + at
    found.set(id, next())
    if (at > end || end > body.length) throw damaged(packed, name)
    at = end
  }
  const content = body.subarray(at)
  const size = found.get(field.size)
  if (size !== undefined && size !== content.length) throw damaged(packed, name)
  return { type: found.get(field.compression) ?? compression.none, uncompressedBytes: found.get(field.uncompressedSize), content }
}

function damaged({ begin }: Pick<ReplayEvent, 'begin'>, name: string, cause?: unknown): BackupError {
  return new BackupError(`binlog ${name} at offset ${begin}: a compressed transaction cannot be unpacked`, {
    code: 'CORRUPTED',
    hint: 'Restore to a moment before it, or from another copy of this backup.',
    ...(cause === undefined ? {} : { cause }),
  })
}
