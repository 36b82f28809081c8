import { BackupError } from '@backup-planet/core'
import type { BinlogPosition } from '../mysql-server.ts'

/** What the tool says of a copy. LSNs are decimals. */
export interface BackupInfo {
  readonly fromLsn: string
  readonly toLsn: string
  readonly lastLsn: string
  /** Where the copy ends; `undefined` where the server writes no binlog. */
  readonly position?: BinlogPosition
}

/**
 * Reads the files that `--extra-lsndir` leaves: `xtrabackup_checkpoints` with the LSNs, and `xtrabackup_info` with `binlog_pos = filename 'binlog.000010', position '372846', GTID of the last
 * change '0-1-2'`. MariaDB 11 calls them `mariadb_backup_checkpoints` and `mariadb_backup_info`. Throws `CORRUPTED` when something is not there.
 * Sources: MariaDB "Files Created by mariadb-backup", Percona XtraBackup 8.0 "Index of files created by Percona XtraBackup".
 */
export function parseBackupInfo(checkpoints: string, info: string): BackupInfo {
  const lsn = (name: string): string => {
    const value = new RegExp(`^${name} = (\\d{1,20})$`, 'm').exec(checkpoints)?.[1]
    if (value !== undefined) return value
    throw new BackupError(`the backup tool did not say which ${name} the copy has`, {
      code: 'CORRUPTED',
      hint: 'Nothing of this run was kept. Run again; if it happens again, update the tool.',
    })
  }
  // A set of GTIDs goes over several lines.
  const entry = info.split(/\n(?=[a-z_]+ = )/).find((one) => one.startsWith('binlog_pos = ')) ?? ''
  const position = parsePosition(entry)
  return { fromLsn: lsn('from_lsn'), toLsn: lsn('to_lsn'), lastLsn: lsn('last_lsn'), ...(position === undefined ? {} : { position }) }
}

function parsePosition(text: string): BinlogPosition | undefined {
  const match = /filename '([^']+)', position '(\d+)'(?:, GTID of the last change '([^']*)')?/s.exec(text)
  const [file, offset] = [match?.[1], match?.[2]]
  return file === undefined || offset === undefined ? undefined : { file, offset, gtid: (match?.[3] ?? '').replaceAll(/\s/g, '') }
}

/** `binlog.000010<TAB>372846<TAB>0-1-2`, as it lies in the copy. */
export function parseBinlogInfo(text: string): BinlogPosition | undefined {
  const [file, offset, ...gtid] = text.trim().split('\t')
  return file === undefined || file === '' || offset === undefined || !/^\d+$/.test(offset)
    ? undefined
    : { file, offset, gtid: gtid.join('').replaceAll(/\s/g, '') }
}

/** Names of one fact file, the newest first. */
export const factFiles = {
  checkpoints: ['mariadb_backup_checkpoints', 'xtrabackup_checkpoints'],
  info: ['mariadb_backup_info', 'xtrabackup_info'],
  binlog: ['mariadb_backup_binlog_info', 'xtrabackup_binlog_info'],
} as const
