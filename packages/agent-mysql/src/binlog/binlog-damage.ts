import { BackupError } from '@backup-planet/core'

/** @param offset in the bytes that were read, where the event begins that is wrong */
export function damagedBinlog(name: string, offset: number, what: string): BackupError {
  return new BackupError(`binlog ${name} is damaged at offset ${offset}: ${what}`, {
    code: 'CORRUPTED',
    hint: 'Read it from the server once more; if it is damaged there too, run a full backup to begin a new chain, and check the disks of the server.',
  })
}

export function encryptedBinlog(name: string): BackupError {
  return new BackupError(`binlog ${name} is encrypted`, {
    code: 'UNSUPPORTED',
    hint: 'Have the server send it, which decrypts it: read binlogs through the connection instead of from their directory.',
  })
}

export function foreignBinlog(name: string, what: string): BackupError {
  return new BackupError(`binlog ${name} cannot be read: ${what}`, {
    code: 'UNSUPPORTED',
    hint: 'Only binlogs of version 4 are understood, as MySQL 5.0 and later and MariaDB write them.',
  })
}
