import { crc32 } from 'node:zlib'
import { damagedBinlog, foreignBinlog } from './binlog-damage.ts'
import { checksumBytes, eventHeaderBytes, type FormatDescription, readFormatDescription } from './binlog-event.ts'
import { eventFlag } from './binlog-event-type.ts'

/**
 * What a FORMAT_DESCRIPTION says. Throws `CORRUPTED` where its checksum does not match, `UNSUPPORTED` for what is not version 4.
 *
 * @param bytes of the whole event, with its checksum
 */
export function checkedDescription(name: string, { bytes, begin }: { readonly bytes: Buffer; readonly begin: number }): FormatDescription {
  const description = readFormatDescription(bytes)
  if (description === undefined) {
    const version = bytes.length < eventHeaderBytes + 2 ? 4 : bytes.readUInt16LE(eventHeaderBytes)
    if (version < 4) throw foreignBinlog(name, `it is of version ${version}`)
    throw damagedBinlog(name, begin, 'FORMAT_DESCRIPTION does not hold what it must')
  }
  if (description.ownChecksum) {
    const end = bytes.length - checksumBytes
    // The flag is set after the checksum was made, and taken away when the file is closed.
    const closed = Buffer.from(bytes.subarray(0, end))
    closed.writeUInt16LE(closed.readUInt16LE(17) & ~eventFlag.IN_USE, 17)
    if (crc32(closed) !== bytes.readUInt32LE(end)) throw damagedBinlog(name, begin, 'the checksum of FORMAT_DESCRIPTION does not match')
  }
  if (description.headerBytes !== eventHeaderBytes) throw foreignBinlog(name, `its events have headers of ${description.headerBytes} bytes`)
  if (description.checksum === 'unknown') throw foreignBinlog(name, 'it has checksums of an unknown kind')
  return description
}
