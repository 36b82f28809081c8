import { addressedText } from './addressed-text.ts'
import { assertBytes } from './backup-file-damage.ts'
import type { BackupSetFacts } from './backup-file-facts.ts'
import type { BlockHeader } from './block-header.ts'
import { guidBytes, readGuid } from './guid-text.ts'
import { readPackedDate } from './packed-date.ts'

const leastSetHeader = 98
const differential = 0x8
const unknownTimeZone = 127
/** The own data of SQL Server in the block: the GUID of the set comes first. */
const ownData = 44

/** "Microsoft Tape Format Specification" 1.00a, MTF_SSET. Throws `CORRUPTED`. */
export function readSetHeader(header: BlockHeader, bytes: Buffer, offset: number): BackupSetFacts {
  assertBytes(bytes.length, leastSetHeader, { what: 'block SSET', offset })
  const place = { bytes, begin: offset, encoding: header.encoding }
  const writtenAt = readPackedDate(bytes, 88)
  const timeZone = bytes.readInt8(95)
  const setGuid = readSetGuid(bytes)
  return {
    offset,
    position: bytes.readUInt16LE(62),
    ...(setGuid === undefined ? {} : { setGuid }),
    name: addressedText(place, 64, 'name of the set'),
    description: addressedText(place, 68, 'description of the set'),
    user: addressedText(place, 76, 'user of the set'),
    hasPassword: bytes.readUInt16LE(72) > 0,
    ...(writtenAt === undefined ? {} : { writtenAt }),
    // In quarters of an hour.
    ...(timeZone === unknownTimeZone ? {} : { utcOffsetMinutes: 15 * timeZone }),
    isDifferential: (bytes.readUInt32LE(52) & differential) !== 0,
    isFinal: false,
  }
}

function readSetGuid(bytes: Buffer): string | undefined {
  const length = bytes.readUInt16LE(ownData)
  const begin = bytes.readUInt16LE(ownData + 2)
  return length >= guidBytes && begin + guidBytes <= bytes.length ? readGuid(bytes, begin) : undefined
}
