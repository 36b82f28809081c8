import { crc32, inflateSync } from 'node:zlib'
import { BackupError } from '@backup-planet/core'
import { binlogMagic, checksumBytes, eventHeaderBytes, type FormatDescription } from '../binlog/binlog-event.ts'
import { eventFlag, eventType } from '../binlog/binlog-event-type.ts'
import type { ReplayAction } from './log-replay-actions.ts'
import type { ReplayEvent } from './log-replay-events.ts'

/** MySQL "Query_event": thread, seconds, bytes of the schema, error, bytes of the variables. */
const queryFixedBytes = 13
/** LOG_EVENT_SUPPRESS_USE_F: no schema goes with the statement. */
const suppressUse = 0x8
const statementEnd = 1

/**
 * Writes actions as a binlog that the tools of the server read: events as they were, and statements of ours as QUERY events between them. Sources: MySQL
 * "Binary Log Event", "Query_event".
 */
export class BinlogWriter {
  #format: FormatDescription | undefined
  #begun = false

  /** Bytes for one action; none for a boundary. */
  bytes(action: ReplayAction): readonly Uint8Array[] {
    switch (action.type) {
      case 'format': {
        const magic = this.#begun ? [] : [binlogMagic]
        this.#format = action.format
        this.#begun = true
        return [...magic, closed(action.event)]
      }
      case 'event':
        return [action.event.bytes]
      case 'own':
        return [this.#ownQuery(action.sql, action.beside)]
      case 'between':
        return [this.#wrapped(action.before, action.event, action.after)]
      case 'boundary':
        return []
    }
  }

  #ownQuery(sql: string, beside: ReplayEvent): Buffer {
    const fixed = Buffer.alloc(queryFixedBytes + 1)
    return this.#event({ ...beside, type: eventType.QUERY, flags: suppressUse }, [fixed, Buffer.from(sql, 'latin1')])
  }

  #wrapped(before: string, event: ReplayEvent, after: string): Buffer {
    const { head, statement } = queryParts(event)
    return this.#event({ ...event, type: eventType.QUERY }, [head, Buffer.from(before, 'latin1'), statement, Buffer.from(after, 'latin1')])
  }

  #event(header: Pick<ReplayEvent, 'type' | 'timestamp' | 'serverId' | 'flags'>, body: readonly Uint8Array[]): Buffer {
    const checked = this.#format?.checksum === 'crc32'
    const head = Buffer.alloc(eventHeaderBytes)
    const size = eventHeaderBytes + body.reduce((sum, part) => sum + part.length, 0) + (checked ? checksumBytes : 0)
    head.writeUInt32LE(header.timestamp, 0)
    head[4] = header.type
    head.writeUInt32LE(header.serverId, 5)
    head.writeUInt32LE(size, 9)
    head.writeUInt16LE(header.flags, 17)
    return withChecksum(Buffer.concat([head, ...body, ...(checked ? [Buffer.alloc(checksumBytes)] : [])]), checked)
  }
}

/** The parts of a QUERY: everything before its statement, and the statement, unpacked where MariaDB has packed it. */
export function queryParts(event: ReplayEvent): { readonly head: Buffer; readonly statement: Buffer } {
  const { body, fixedBytes } = event
  const statusBytes = fixedBytes >= queryFixedBytes ? body.readUInt16LE(11) : 0
  const begin = fixedBytes + statusBytes + (body[8] ?? 0) + 1
  const text = body.subarray(begin)
  return { head: body.subarray(0, begin), statement: event.type === eventType.QUERY_COMPRESSED ? unpacked(text, event) : text }
}

/** No statement is longer: `max_allowed_packet` of every server is at most this. */
const longestStatement = 1024 ** 3

/** MariaDB "Compressed events": one byte of 0x80 | algorithm << 4 | bytes of the length, the length, big-endian, then zlib. */
function unpacked(packed: Buffer, event: ReplayEvent): Buffer {
  const lengthBytes = (packed[0] ?? 0) & 0x07
  const length = lengthBytes === 0 || lengthBytes > 4 ? 0 : packed.readUIntBE(1, lengthBytes)
  try {
    return inflateSync(packed.subarray(1 + lengthBytes), { maxOutputLength: Math.min(length, longestStatement) })
  } catch (error) {
    throw new BackupError(`the compressed statement at offset ${event.begin} of the binlog cannot be unpacked`, {
      code: 'CORRUPTED',
      hint: 'Restore to a moment before it, or from another copy of this backup.',
      cause: error,
    })
  }
}

/** The same rows as the last ones of a statement. */
export function withStatementEnd(event: ReplayEvent): ReplayEvent {
  const bytes = Buffer.from(event.bytes)
  const flagsAt = eventHeaderBytes + (event.fixedBytes === 6 ? 4 : 6)
  bytes[flagsAt] = (bytes[flagsAt] ?? 0) | statementEnd
  const checked = bytes.length > eventHeaderBytes + event.body.length
  withChecksum(bytes, checked)
  return { ...event, bytes, body: bytes.subarray(eventHeaderBytes, eventHeaderBytes + event.body.length) }
}

function withChecksum(event: Buffer, checked: boolean): Buffer {
  const end = event.length - checksumBytes
  if (checked) event.writeUInt32LE(crc32(event.subarray(0, end)), end)
  return event
}

/** Without the flag of a file that the server still writes to, which its checksum leaves out. */
function closed(event: ReplayEvent): Buffer {
  const bytes = Buffer.from(event.bytes)
  bytes.writeUInt16LE(event.flags & ~eventFlag.IN_USE, 17)
  return bytes
}
