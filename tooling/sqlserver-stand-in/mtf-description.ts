import { AddressedBytes, dateBytes, guidBytes, lsnBytes, type WrittenLsn } from './mtf-values.ts'

/** One backup, in the terms of `RESTORE HEADERONLY`. GUIDs as SQL Server prints them, times by the clock of the server. */
export interface WrittenBackup {
  readonly kind: 'D' | 'I' | 'L' | 'F' | 'G' | 'P' | 'Q'
  readonly database: string
  readonly server: string
  readonly setGuid: string
  readonly name?: string
  readonly description?: string
  readonly user?: string
  readonly hasPassword?: boolean
  /** Quarters of an hour; 127 for unknown. */
  readonly timeZone?: number
  /** Major, minor, build. */
  readonly softwareVersion?: readonly [number, number, number]
  readonly databaseVersion?: number
  readonly compatibilityLevel?: number
  readonly createdAt?: string
  readonly startedAt: string
  readonly finishedAt: string
  readonly flags?: number
  readonly simpleRecovery?: boolean
  readonly firstLsn: WrittenLsn
  readonly lastLsn: WrittenLsn
  readonly checkpointLsn: WrittenLsn
  readonly databaseBackupLsn?: WrittenLsn
  readonly databaseBackupGuid?: string
  readonly differentialBaseLsn?: WrittenLsn
  readonly differentialBaseGuid?: string
  readonly forkPointLsn?: WrittenLsn
  readonly familyGuid?: string
  readonly bindingId?: string
  readonly recoveryForkId?: string
  readonly firstRecoveryForkId?: string
  readonly fileGroups?: readonly string[]
  readonly files: readonly WrittenFile[]
  /** What stands in MSTL, besides pages. */
  readonly log?: Buffer
}

export interface WrittenFile {
  readonly fileId: number
  readonly fileGroupId?: number
  readonly kind: 'data' | 'log'
  readonly logicalName: string
  readonly physicalName: string
  /** Of the file on the server. */
  readonly bytes: number
  /** What is backed up: pages of 8192 bytes. */
  readonly pages?: Buffer
  readonly uniqueId?: string
}

const zeroLsn: WrittenLsn = [0, 0, 0]
const zeroGuid = '00000000-0000-0000-0000-000000000000'
const noDate = '0000-00-00T00:00:00'
const scinBytes = 0x188

/** The stream `MQCI`. Before the data neither the end nor the size is known. */
export function description(
  backup: WrittenBackup,
  { isFinal, backupBytes }: { readonly isFinal: boolean; readonly backupBytes: number },
): Buffer {
  return Buffer.concat([
    backupRecord(backup, isFinal, backupBytes),
    ...(backup.fileGroups ?? ['PRIMARY']).map((name, index) => fileGroupRecord(index + 1, name)),
    ...backup.files.map((file) => fileRecord(backup, file, isFinal)),
  ])
}

function backupRecord(backup: WrittenBackup, isFinal: boolean, backupBytes: number): Buffer {
  const record = new AddressedBytes(scinBytes)
  const { fixed } = record
  const [major, minor, build] = backup.softwareVersion ?? [15, 0, 4415]
  fixed.writeUInt32LE(0x200 | (backup.differentialBaseGuid === undefined ? 0 : 0x800) | (backup.flags ?? 0), 8)
  fixed.writeUInt16LE(build, 0x18)
  fixed[0x1a] = minor
  fixed[0x1b] = major
  fixed.write(backup.kind, 0x57, 'latin1')
  fixed[0x5b] = backup.compatibilityLevel ?? 150
  fixed.writeUInt16LE(backup.databaseVersion ?? 904, 0x5e)
  if (isFinal) fixed.writeBigUInt64LE(BigInt(backupBytes), 0x60)
  fixed.writeUInt16LE(backup.simpleRecovery === true ? 8 : 0, 0xf4)
  return named(
    record
      .put(0x20, lsnBytes(backup.firstLsn))
      .put(0x2a, lsnBytes(backup.lastLsn))
      .put(0x34, lsnBytes(backup.checkpointLsn))
      .put(0x3e, lsnBytes(backup.databaseBackupLsn ?? zeroLsn))
      .put(0x48, dateBytes(backup.createdAt ?? noDate))
      .put(0x4d, dateBytes(backup.startedAt))
      .put(0x52, dateBytes(isFinal ? backup.finishedAt : noDate))
      .put(0x7c, guidBytes(backup.bindingId ?? zeroGuid))
      .put(0x90, lsnBytes(backup.lastLsn))
      .put(0x9c, guidBytes(backup.recoveryForkId ?? zeroGuid))
      .put(0xac, lsnBytes(backup.forkPointLsn ?? zeroLsn))
      .put(0xb8, guidBytes(backup.firstRecoveryForkId ?? zeroGuid))
      .put(0xc8, guidBytes(backup.databaseBackupGuid ?? zeroGuid))
      .put(0xe0, guidBytes(backup.familyGuid ?? zeroGuid))
      .put(0x104, lsnBytes(backup.differentialBaseLsn ?? zeroLsn))
      .put(0x110, guidBytes(backup.differentialBaseGuid ?? zeroGuid))
      .address(0x68, backup.database)
      .address(0x6c, backup.server),
    'SCIN',
  )
}

function fileGroupRecord(id: number, name: string): Buffer {
  const record = new AddressedBytes(56)
  record.fixed.writeUInt32LE(id, 12)
  return named(record.address(16, name), 'SFGI')
}

function fileRecord(backup: WrittenBackup, file: WrittenFile, isFinal: boolean): Buffer {
  const record = new AddressedBytes(0x110)
  const { fixed } = record
  const pages = file.pages?.length ?? 0
  fixed.writeUInt32LE(file.kind === 'log' ? 0xc : 4, 8)
  fixed.writeUInt32LE(8192, 16)
  fixed.writeUInt32LE(file.fileId, 20)
  fixed.writeUInt32LE(pages / 8192, 24)
  fixed.writeUInt32LE(512, 32)
  fixed.writeUInt32LE(file.fileGroupId ?? (file.kind === 'log' ? 0 : 1), 36)
  fixed.writeBigUInt64LE(BigInt(file.bytes), 40)
  if (isFinal) fixed.writeBigUInt64LE(BigInt(pages), 0xfa)
  return named(
    record
      .put(0x9e, lsnBytes(backup.differentialBaseLsn ?? zeroLsn))
      .put(0xaa, guidBytes(backup.differentialBaseGuid ?? zeroGuid))
      .put(0xba, guidBytes(file.uniqueId ?? zeroGuid))
      .address(48, file.logicalName)
      .address(52, file.physicalName),
    'SFIN',
  )
}

function named(record: AddressedBytes, tag: string): Buffer {
  const bytes = record.bytes()
  bytes.write(tag, 0, 'latin1')
  bytes.writeUInt32LE(bytes.length, 4)
  return bytes
}
