export { compareLsn, formatLsn, type Lsn, type LsnParts, lsnOf, parseLsn, partsOfLsn } from './lsn.ts'
export { BackupFileError } from './mtf/backup-file-damage.ts'
export type {
  BackupFileFacts,
  BackupSetFacts,
  DatabaseBackupFacts,
  DatabaseFileFacts,
  FileGroupFacts,
  MediaFacts,
} from './mtf/backup-file-facts.ts'
export type { BackupFileFinding } from './mtf/backup-file-finding.ts'
export { type BackupFileSource, type LocalBackupFile, openBackupFile, rangedBackupFile } from './mtf/backup-file-source.ts'
export { type BackupKind, backupKinds, captureKindOf, isBackupKind } from './mtf/backup-kind.ts'
export { type BackupFileInspection, type InspectOptions, inspectBackupFile, readBackupFile } from './mtf/inspect-backup-file.ts'
export type { LocalTime } from './mtf/packed-date.ts'
export { type NamedBackupFile, verifyBackupFile, verifyBackupFiles } from './mtf/verify-backup-files.ts'
