import type { Lsn } from '../lsn.ts'
import type { BackupKind } from './backup-kind.ts'
import type { LocalTime } from './packed-date.ts'

/**
 * What a backup file of SQL Server says of itself, as plain data. GUIDs are as SQL Server prints them, sizes in bytes, times by the clock of the
 * server, texts as they stand in the file. Optional fields are left out where the file says nothing.
 */
export interface BackupFileFacts {
  readonly bytes: number
  readonly media: MediaFacts
  /** In the order of the file: every BACKUP without FORMAT or INIT appends one. */
  readonly sets: readonly BackupSetFacts[]
  /** Whether the last set ends as it should and nothing else follows. A file cut exactly between two sets cannot be told from one without the second. */
  readonly complete: boolean
}

/** "Microsoft Tape Format Specification" 1.00a, MTF_TAPE; the stripes from the stream `RAID` that SQL Server adds. */
export interface MediaFacts {
  /** The same in all files that one BACKUP is striped or mirrored over. */
  readonly mediaSetId?: string
  /** Unsigned 32-bit number of this file among them. */
  readonly familyId: number
  /** Which of the stripes this is, from 1. */
  readonly stripe: number
  readonly stripes: number
  readonly mirrors: number
  /** Whether the medium was written `WITH MEDIAPASSWORD`, which a server then asks for. */
  readonly hasPassword: boolean
  readonly name: string
  readonly description: string
  /** `Microsoft SQL Server` */
  readonly software: string
  readonly createdAt?: LocalTime
}

/** One backup: "Microsoft Tape Format Specification" 1.00a, MTF_SSET, and what the records of SQL Server say. */
export interface BackupSetFacts {
  /** Where it begins in the file. */
  readonly offset: number
  /** `FILE = n` of RESTORE. */
  readonly position: number
  readonly setGuid?: string
  readonly name: string
  readonly description: string
  /** Who backed up. */
  readonly user: string
  /** Whether it was written `WITH PASSWORD`. */
  readonly hasPassword: boolean
  readonly writtenAt?: LocalTime
  /** What local times are ahead of UTC, in minutes, where the server said so. */
  readonly utcOffsetMinutes?: number
  /** Whether the block says that it is a differential. */
  readonly isDifferential: boolean
  /** Left out where the file ends before it, or another program wrote the set. */
  readonly backup?: DatabaseBackupFacts
  /** Whether `backup` is from the end of the set, where size and finish are final; else it is from the beginning. */
  readonly isFinal: boolean
}

/** Columns of `RESTORE HEADERONLY` (Microsoft, "RESTORE Statements - HEADERONLY"), read from the record `SCIN`. */
export interface DatabaseBackupFacts {
  readonly kind: BackupKind
  readonly database: string
  /** `server\instance`, or `server` of the default instance. */
  readonly server: string
  /** `13.0.5081` */
  readonly softwareVersion: string
  /** 661 is SQL Server 2008 R2, 852 is 2016, 957 is 2022. */
  readonly databaseVersion: number
  readonly compatibilityLevel: number
  readonly createdAt?: LocalTime
  readonly startedAt?: LocalTime
  readonly finishedAt?: LocalTime
  readonly firstLsn: Lsn
  readonly lastLsn: Lsn
  readonly checkpointLsn: Lsn
  /** Checkpoint of the full before; 0 where there was none. */
  readonly databaseBackupLsn: Lsn
  /** The set of that full. */
  readonly databaseBackupGuid?: string
  /** Of differentials: checkpoint of the full that they need, and its set. */
  readonly differentialBaseLsn?: Lsn
  readonly differentialBaseGuid?: string
  readonly familyGuid?: string
  readonly bindingId?: string
  readonly recoveryForkId?: string
  readonly firstRecoveryForkId?: string
  readonly forkPointLsn?: Lsn
  /** `bulk_logged` databases look like `full` ones. */
  readonly recoveryModel: 'simple' | 'full'
  /** All bits, as `RESTORE HEADERONLY` documents them. */
  readonly flags: number
  readonly isCopyOnly: boolean
  readonly hasChecksums: boolean
  /** Taken WITH CONTINUE_AFTER_ERROR of a database that was damaged. */
  readonly isDamaged: boolean
  readonly hasBulkLoggedData: boolean
  /** Of all stripes together. */
  readonly backupBytes: number
  readonly fileGroups: readonly FileGroupFacts[]
  readonly files: readonly DatabaseFileFacts[]
}

export interface FileGroupFacts {
  readonly id: number
  readonly name: string
}

/** Columns of `RESTORE FILELISTONLY`, read from the record `SFIN`. */
export interface DatabaseFileFacts {
  readonly fileId: number
  readonly fileGroupId: number
  readonly kind: 'data' | 'log'
  readonly logicalName: string
  readonly physicalName: string
  /** Of the file on the server. */
  readonly bytes: number
  readonly backupBytes: number
  readonly uniqueId?: string
  readonly differentialBaseLsn?: Lsn
  readonly differentialBaseGuid?: string
}
