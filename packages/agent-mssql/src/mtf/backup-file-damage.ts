import { BackupError } from '@backup-planet/core'

/** An error about one place of a backup file. */
export class BackupFileError extends BackupError {
  /** In bytes from the beginning of the file. */
  readonly offset: number

  constructor(offset: number, message: string, options: ConstructorParameters<typeof BackupError>[1]) {
    super(message, options)
    this.offset = offset
  }
}

/** @param what is there, and what was expected */
export function damaged(offset: number, what: string): BackupFileError {
  return new BackupFileError(offset, `backup file is damaged at offset ${offset}: ${what}`, {
    code: 'CORRUPTED',
    hint: 'Take the backup again, or fetch the file again from where it was copied; RESTORE VERIFYONLY on a server confirms the damage.',
  })
}

/** @param offset where that begins which has no end */
export function truncated(offset: number, size: number, what: string): BackupFileError {
  return new BackupFileError(offset, `backup file is truncated: it ends after ${size} bytes, ${what}`, {
    code: 'CORRUPTED',
    hint: 'Copy the file again as a whole once BACKUP has ended, or take the backup again; see that the disk was not full.',
  })
}

export function foreign(what: string): BackupFileError {
  return new BackupFileError(0, `no backup file of SQL Server: ${what}`, {
    code: 'INVALID_INPUT',
    hint: 'Name a file that BACKUP DATABASE or BACKUP LOG wrote; unpack it first if it was packed or encrypted by another program.',
  })
}

export function tooLarge(offset: number, what: string): BackupFileError {
  return new BackupFileError(offset, `backup file is not read beyond offset ${offset}: ${what}`, {
    code: 'UNSUPPORTED',
    hint: 'Ask a server with RESTORE HEADERONLY and RESTORE VERIFYONLY instead.',
  })
}

export function compressed(): BackupFileError {
  return new BackupFileError(0, 'backup file is compressed or encrypted by SQL Server, so that its names, times and LSNs cannot be read', {
    code: 'UNSUPPORTED',
    hint: 'Ask a server with RESTORE HEADERONLY and RESTORE FILELISTONLY, or read msdb.dbo.backupset of the server that wrote it.',
  })
}

/** Throws `CORRUPTED` for what says that it is shorter than it can be. */
export function assertBytes(bytes: number, least: number, { what, offset }: { readonly what: string; readonly offset: number }): void {
  if (bytes < least) throw damaged(offset, `${what} has ${bytes} bytes, at least ${least} were expected`)
}
