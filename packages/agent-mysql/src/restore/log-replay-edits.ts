import { crc32 } from 'node:zlib'
import { checksumBytes, eventHeaderBytes } from '../binlog/binlog-event.ts'
import type { ReplayEvent } from './log-replay-events.ts'

const statementEnd = 1

/** An event with the same header but for its type, and another body. */
export function withBody(event: ReplayEvent, type: number, parts: readonly Uint8Array[]): ReplayEvent {
  const checked = event.bytes.length > eventHeaderBytes + event.body.length
  const head = Buffer.from(event.bytes.subarray(0, eventHeaderBytes))
  const bytes = Buffer.concat([head, ...parts, ...(checked ? [Buffer.alloc(checksumBytes)] : [])])
  bytes[4] = type
  bytes.writeUInt32LE(bytes.length, 9)
  withChecksum(bytes, checked)
  return { ...event, type, bytes, body: bytes.subarray(eventHeaderBytes, bytes.length - (checked ? checksumBytes : 0)) }
}

/** The same rows as the last ones of a statement. */
export function withStatementEnd(event: ReplayEvent): ReplayEvent {
  return edited(event, (bytes) => {
    const flagsAt = eventHeaderBytes + (event.fixedBytes === 6 ? 4 : 6)
    bytes[flagsAt] = (bytes[flagsAt] ?? 0) | statementEnd
  })
}

/** The same event with other flags. */
export function withFlags(event: ReplayEvent, flags: number): ReplayEvent {
  return { ...edited(event, (bytes) => bytes.writeUInt16LE(flags, 17)), flags }
}

/** A copy with other bytes in the same places. */
function edited(event: ReplayEvent, edit: (bytes: Buffer) => unknown): ReplayEvent {
  const bytes = Buffer.from(event.bytes)
  const end = eventHeaderBytes + event.body.length
  edit(bytes)
  withChecksum(bytes, bytes.length > end)
  return { ...event, bytes, body: bytes.subarray(eventHeaderBytes, end) }
}

/** Writes the checksum anew, where the event has one. */
export function withChecksum(event: Buffer, checked: boolean): Buffer {
  const end = event.length - checksumBytes
  if (checked) event.writeUInt32LE(crc32(event.subarray(0, end)), end)
  return event
}
