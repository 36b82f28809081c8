import { addressedText } from './addressed-text.ts'
import { assertBytes } from './backup-file-damage.ts'
import type { DatabaseFileFacts, FileGroupFacts } from './backup-file-facts.ts'
import { type DescriptionRecord, zeroExtended } from './description-records.ts'
import { readGuid } from './guid-text.ts'
import { readLsn } from './stored-lsn.ts'

const leastFileGroup = 20
const leastFile = 56
const readFileBytes = 0x102
/** Data files have the first bit, log files both. */
const logFile = 0xc

/** Record `SFGI`. Source: published backups. */
export function readFileGroup(record: DescriptionRecord): FileGroupFacts {
  assertBytes(record.bytes.length, leastFileGroup, { what: 'record SFGI', offset: record.offset })
  const texts = { bytes: record.bytes, begin: record.offset, encoding: 'utf16le' } as const
  return { id: record.bytes.readUInt32LE(12), name: addressedText(texts, 16, 'name of the filegroup') }
}

/** Record `SFIN`. Source: published backups beside what `RESTORE FILELISTONLY` printed of them. */
export function readDatabaseFile(record: DescriptionRecord): DatabaseFileFacts {
  assertBytes(record.bytes.length, leastFile, { what: 'record SFIN', offset: record.offset })
  const bytes = zeroExtended(record, readFileBytes)
  const texts = { bytes: record.bytes, begin: record.offset, encoding: 'utf16le' } as const
  const [uniqueId, differentialBaseGuid] = [readGuid(bytes, 0xba), readGuid(bytes, 0xaa)]
  const differentialBaseLsn = readLsn(bytes, 0x9e)
  return {
    fileId: bytes.readUInt32LE(20),
    fileGroupId: bytes.readUInt32LE(36),
    kind: (bytes.readUInt32LE(8) & logFile) === logFile ? 'log' : 'data',
    logicalName: addressedText(texts, 48, 'logical name of the file'),
    physicalName: addressedText(texts, 52, 'path of the file'),
    bytes: Number(bytes.readBigUInt64LE(40)),
    backupBytes: Number(bytes.readBigUInt64LE(0xfa)),
    ...(uniqueId === undefined ? {} : { uniqueId }),
    ...(differentialBaseLsn === 0n ? {} : { differentialBaseLsn }),
    ...(differentialBaseGuid === undefined ? {} : { differentialBaseGuid }),
  }
}
