import type { FailureCode } from '@backup-planet/core'
import type { BackupFileError } from './backup-file-damage.ts'

/** Something that is wrong with a backup file, or that its operator should know. */
export interface BackupFileFinding {
  /** `error`: it cannot be relied on for a restore. */
  readonly severity: 'warning' | 'error'
  readonly code: FailureCode
  /** As the caller named it, where several were looked at. */
  readonly file?: string
  /** In bytes from the beginning of the file, where it is about a place. */
  readonly offset?: number
  /** Lower-case, with the values in it. */
  readonly message: string
  /** A full sentence that tells the operator what to do. */
  readonly hint: string
}

export function findingOf(error: BackupFileError, severity: BackupFileFinding['severity'] = 'error'): BackupFileFinding {
  return { severity, code: error.code, offset: error.offset, message: error.message, hint: error.hint ?? '' }
}
