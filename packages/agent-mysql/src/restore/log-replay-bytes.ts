import { binlogMagic, checksumBytes, eventHeaderBytes, type FormatDescription } from '../binlog/binlog-event.ts'
import { eventFlag, eventType } from '../binlog/binlog-event-type.ts'
import type { ReplayAction } from './log-replay-actions.ts'
import { withChecksum } from './log-replay-edits.ts'
import type { ReplayEvent } from './log-replay-events.ts'
import { queryFixedBytes, queryParts } from './log-replay-query.ts'

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
    return this.#event({ ...beside, type: eventType.QUERY, flags: eventFlag.SUPPRESS_USE }, [fixed, Buffer.from(sql, 'latin1')])
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

/** Without the flag of a file that the server still writes to, which its checksum leaves out. */
function closed(event: ReplayEvent): Buffer {
  const bytes = Buffer.from(event.bytes)
  bytes.writeUInt16LE(event.flags & ~eventFlag.IN_USE, 17)
  return bytes
}
