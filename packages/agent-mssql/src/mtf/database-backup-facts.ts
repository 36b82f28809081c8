import { addressedText } from './addressed-text.ts'
import { assertBytes, damaged } from './backup-file-damage.ts'
import type { DatabaseBackupFacts } from './backup-file-facts.ts'
import { backupKinds, isBackupKind } from './backup-kind.ts'
import { readDatabaseFile, readFileGroup } from './database-file-facts.ts'
import { type DescriptionRecord, readDescriptionRecords, zeroExtended } from './description-records.ts'
import { readGuid } from './guid-text.ts'
import { readPackedDate } from './packed-date.ts'
import { quotedText } from './quoted-text.ts'
import { readLsn } from './stored-lsn.ts'

/** Up to the names; versions before 2008 may have no more. */
const leastRecord = 0x70
const readRecordBytes = 0x160

/** Bits of the column `Flags` of `RESTORE HEADERONLY`; copy-only was seen in published backups. */
const flag = { bulkLogged: 0x1, checksums: 0x10, damaged: 0x20, copyOnly: 0x400 } as const
const simpleRecovery = 0x8

/** @param bytes the stream `MQCI`. Throws `CORRUPTED`. */
export function readDatabaseBackup(bytes: Buffer, offset: number): DatabaseBackupFacts {
  const records = readDescriptionRecords(bytes, offset)
  const [first] = records
  if (first?.tag !== 'SCIN') throw damaged(offset, `record SCIN was expected first, and ${first?.tag ?? 'none'} stands there`)
  return {
    ...readBackupRecord(first),
    fileGroups: records.filter(({ tag }) => tag === 'SFGI').map(readFileGroup),
    files: records.filter(({ tag }) => tag === 'SFIN').map(readDatabaseFile),
  }
}

function readBackupRecord(record: DescriptionRecord): Omit<DatabaseBackupFacts, 'fileGroups' | 'files'> {
  assertBytes(record.bytes.length, leastRecord, { what: 'record SCIN', offset: record.offset })
  const bytes = zeroExtended(record, readRecordBytes)
  const kind = bytes.toString('latin1', 0x57, 0x58)
  if (!isBackupKind(kind)) {
    throw damaged(record.offset + 0x57, `kind ${quotedText(kind)} is none, one of ${backupKinds.join(', ')} was expected`)
  }
  const texts = { bytes: record.bytes, begin: record.offset, encoding: 'utf16le' } as const
  const flags = bytes.readUInt32LE(8)
  return {
    kind,
    database: addressedText(texts, 0x68, 'name of the database'),
    server: addressedText(texts, 0x6c, 'name of the server'),
    softwareVersion: `${bytes[0x1b]}.${bytes[0x1a]}.${bytes.readUInt16LE(0x18)}`,
    databaseVersion: bytes.readUInt16LE(0x5e),
    compatibilityLevel: bytes[0x5b] ?? 0,
    ...readTimes(bytes),
    ...readPlaces(bytes),
    ...readIdentities(bytes),
    recoveryModel: (bytes.readUInt16LE(0xf4) & simpleRecovery) === 0 ? 'full' : 'simple',
    flags,
    isCopyOnly: (flags & flag.copyOnly) !== 0,
    hasChecksums: (flags & flag.checksums) !== 0,
    isDamaged: (flags & flag.damaged) !== 0,
    hasBulkLoggedData: (flags & flag.bulkLogged) !== 0,
    backupBytes: Number(bytes.readBigUInt64LE(0x60)),
  }
}

function readTimes(bytes: Buffer): Pick<DatabaseBackupFacts, 'createdAt' | 'startedAt' | 'finishedAt'> {
  const [createdAt, startedAt, finishedAt] = [0x48, 0x4d, 0x52].map((offset) => readPackedDate(bytes, offset))
  return {
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
  }
}

type Places = 'firstLsn' | 'lastLsn' | 'checkpointLsn' | 'databaseBackupLsn' | 'differentialBaseLsn' | 'forkPointLsn'

function readPlaces(bytes: Buffer): Pick<DatabaseBackupFacts, Places> {
  const differentialBaseLsn = readLsn(bytes, 0x104)
  const forkPointLsn = readLsn(bytes, 0xac)
  return {
    firstLsn: readLsn(bytes, 0x20),
    lastLsn: readLsn(bytes, 0x2a),
    checkpointLsn: readLsn(bytes, 0x34),
    databaseBackupLsn: readLsn(bytes, 0x3e),
    ...(differentialBaseLsn === 0n ? {} : { differentialBaseLsn }),
    ...(forkPointLsn === 0n ? {} : { forkPointLsn }),
  }
}

const identities = {
  databaseBackupGuid: 0xc8,
  differentialBaseGuid: 0x110,
  familyGuid: 0xe0,
  bindingId: 0x7c,
  recoveryForkId: 0x9c,
  firstRecoveryForkId: 0xb8,
} as const

function readIdentities(bytes: Buffer): Partial<Pick<DatabaseBackupFacts, keyof typeof identities>> {
  return Object.fromEntries(
    Object.entries(identities)
      .map(([name, offset]) => [name, readGuid(bytes, offset)] as const)
      .filter(([, guid]) => guid !== undefined),
  )
}
