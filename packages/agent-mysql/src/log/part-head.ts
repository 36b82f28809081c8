import { crc32 } from 'node:zlib'
import { binlogMagic, checksumBytes, readEventHeader, readFormatDescription } from '../binlog/binlog-event.ts'
import { eventFlag, eventType } from '../binlog/binlog-event-type.ts'

/** Offset of the time at which the server was started, in a FORMAT_DESCRIPTION: see MySQL "Format_description_event". */
const createdOffset = 71

/**
 * What a part of a binlog begins with that begins later than the binlog: the magic and its FORMAT_DESCRIPTION, as a server sends it to a replica that
 * begins there. It lies nowhere, and says nothing of the start of the server: whoever replays it would drop temporary tables there.
 *
 * @param beginning of the binlog, with its whole first event
 */
export function partHead(beginning: Buffer): Buffer | undefined {
  const first = binlogMagic.length
  if (beginning.length < first + 19) return undefined
  const { type, size, flags } = readEventHeader(beginning, first)
  if (type !== eventType.FORMAT_DESCRIPTION || beginning.length < first + size) return undefined
  const head = Buffer.from(beginning.subarray(0, first + size))
  const event = head.subarray(first)
  const description = readFormatDescription(event)
  if (description === undefined) return undefined
  event.writeUInt32LE(0, 13)
  event.writeUInt16LE(flags & ~eventFlag.IN_USE, 17)
  event.writeUInt32LE(0, createdOffset)
  if (description.ownChecksum) event.writeUInt32LE(crc32(event.subarray(0, -checksumBytes)), event.length - checksumBytes)
  return head
}
