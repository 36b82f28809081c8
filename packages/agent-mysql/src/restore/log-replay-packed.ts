import { inflateSync } from 'node:zlib'
import { BackupError } from '@backup-planet/core'
import { eventType } from '../binlog/binlog-event-type.ts'
import { withBody } from './log-replay-edits.ts'
import type { ReplayEvent } from './log-replay-events.ts'

/** Packed rows of MariaDB → the same unpacked. */
const unpackedTypes: Readonly<Record<number, number>> = {
  [eventType.WRITE_ROWS_COMPRESSED_V1]: eventType.WRITE_ROWS_V1,
  [eventType.UPDATE_ROWS_COMPRESSED_V1]: eventType.UPDATE_ROWS_V1,
  [eventType.DELETE_ROWS_COMPRESSED_V1]: eventType.DELETE_ROWS_V1,
  [eventType.WRITE_ROWS_COMPRESSED]: eventType.WRITE_ROWS,
  [eventType.UPDATE_ROWS_COMPRESSED]: eventType.UPDATE_ROWS,
  [eventType.DELETE_ROWS_COMPRESSED]: eventType.DELETE_ROWS,
}

/**
 * The same rows as an event that is not compressed: BINLOG statements take no others. Any other event is passed through. Source: MariaDB "Compressed
 * events". Throws `CORRUPTED` for what cannot be unpacked.
 */
export function unpackedRows(event: ReplayEvent): ReplayEvent {
  const type = unpackedTypes[event.type]
  if (type === undefined) return event
  const begin = rowsBegin(event, type === eventType.UPDATE_ROWS_V1 || type === eventType.UPDATE_ROWS)
  if (begin === undefined) throw damaged(event)
  const { body } = event
  return withBody(event, type, [body.subarray(0, begin), unpacked(body.subarray(begin), event)])
}

/** Behind the fixed part, the extra data of version 2, the number of columns and a bit for each, twice for updates. */
function rowsBegin({ body, fixedBytes }: ReplayEvent, isUpdate: boolean): number | undefined {
  let at = fixedBytes
  if (fixedBytes === 10) at += Math.max(0, body.readUInt16LE(8) - 2)
  const first = body[at] ?? 255
  if (first > 252 || at + 3 > body.length) return undefined
  const columns = first < 251 ? first : body.readUInt16LE(at + 1)
  at += first < 251 ? 1 : 3
  at += Math.ceil(columns / 8) * (isUpdate ? 2 : 1)
  return at < body.length ? at : undefined
}

/** Nothing is longer: `max_allowed_packet` of every server is at most this. */
const longest = 1024 ** 3

/** What MariaDB has packed: one byte of 0x80 | algorithm << 4 | bytes of the length, the length, big-endian, then zlib. */
export function unpacked(packed: Buffer, event: Pick<ReplayEvent, 'begin'>): Buffer {
  const lengthBytes = (packed[0] ?? 0) & 0x07
  if (lengthBytes === 0 || lengthBytes > 4 || packed.length < 1 + lengthBytes) throw damaged(event)
  const length = packed.readUIntBE(1, lengthBytes)
  try {
    return inflateSync(packed.subarray(1 + lengthBytes), { maxOutputLength: Math.max(1, Math.min(length, longest)) })
  } catch (error) {
    throw damaged(event, error)
  }
}

function damaged({ begin }: Pick<ReplayEvent, 'begin'>, cause?: unknown): BackupError {
  return new BackupError(`what is compressed at offset ${begin} of the binlog cannot be unpacked`, {
    code: 'CORRUPTED',
    hint: 'Restore to a moment before it, or from another copy of this backup.',
    ...(cause === undefined ? {} : { cause }),
  })
}
