import { BackupError } from '@backup-planet/core'

/**
 * The same error, and for a binlog that is damaged, as the scan of it or the server itself found out, what to do about it: logs go on where logs ended for as
 * long as the server has what follows, so a full backup alone does not lead past the damage.
 *
 * @param next the binlog behind the damaged one
 */
export function damageOf(error: unknown, next: string): unknown {
  if (!BackupError.is(error)) return error
  // ER_MASTER_FATAL_ERROR_READING_BINLOG that has no other cause: the server cannot read its own binlog.
  const unreadable = error.code === 'APPLICATION' && error.message.endsWith('(error 1236)')
  if (error.code !== 'CORRUPTED' && !unreadable) return error
  return new BackupError(error.message, {
    code: 'CORRUPTED',
    hint: `Nothing was stored. Run again; if it stays so, check the disks of the server, make a full backup, and run PURGE BINARY LOGS TO '${next}' on the server: log backups then go on from the full.`,
    cause: error,
  })
}
