import { BackupError } from '@backup-planet/core'
import { mysqlError, withoutValues } from '../mysql-errors.ts'
import type { BinlogReached } from './dump-frames.ts'
import type { ServerError } from './dump-packet.ts'

/** ER_MASTER_FATAL_ERROR_READING_BINLOG: all that can go wrong on the side of the server, told apart by its text alone. */
const fatalReadError = 1236
const accessDenied: ReadonlySet<number> = new Set([1227, 1045, 1142])

const fatalReads: readonly (readonly [pattern: RegExp, code: BackupError['code'], hint: string])[] = [
  [
    /first log file name in binary log index|Could not find|purged|could not open log|required by the (?:slave|replica)/i,
    'NOT_FOUND',
    'The binlog is gone from the server: it was purged, or the logs were reset. Run a full backup to begin a new chain, and keep binlogs for longer than the time between two log backups.',
  ],
  [
    /impossible position|position > file size/i,
    'NOT_FOUND',
    'The binlog of this name is another one now, or has lost its end in a crash. Run a full backup to begin a new chain.',
  ],
  [/same server_(?:uu)?id/i, 'CONFLICT', 'Another replica has connected under the same number; run again, and a new one is chosen.'],
  [/max_allowed_packet/i, 'UNSUPPORTED', 'Raise max_allowed_packet on the server above the size of its largest event.'],
]

/** The error for what a server answers to COM_BINLOG_DUMP. @param account the one that reads, as `user@host` */
export function dumpFailure(error: ServerError, { binlog, position }: BinlogReached, account: string): Error {
  const during = `reading binlog ${binlog} from ${position} on`
  if (accessDenied.has(error.errno)) {
    const [, user = '', host = '%'] = /^(.*)@([^@]*)$/.exec(account) ?? []
    return new BackupError(`${during} was refused: ${error.message} (error ${error.errno})`, {
      code: 'ACCESS_DENIED',
      hint: `Run GRANT REPLICATION SLAVE ON *.* TO '${user}'@'${host}' on the server.`,
    })
  }
  if (error.errno === fatalReadError) {
    const [, code = 'APPLICATION', hint = 'Look at the error log of the server: it cannot read its own binlog.'] =
      fatalReads.find(([pattern]) => pattern.test(error.message)) ?? []
    // Another number is chosen the next time; nothing else of these passes by itself.
    const retryable = code === 'CONFLICT'
    return new BackupError(`${during} failed: ${withoutValues(error.message)} (error ${error.errno})`, { code, hint, retryable })
  }
  // ER_SERVER_SHUTDOWN, ER_NORMAL_SHUTDOWN, ER_CONNECTION_KILLED.
  if ([1053, 1077, 1927, 3169].includes(error.errno)) return lostStream({ binlog, position }, new Error(error.message))
  return mysqlError(Object.assign(new Error(error.message), { errno: error.errno }), during)
}

export function lostStream({ binlog, position }: BinlogReached, cause: unknown): Error {
  if (BackupError.is(cause)) return cause
  return new BackupError(`the server went away while binlog ${binlog} was read, at position ${position}`, {
    code: 'UNREACHABLE',
    hint: 'Look at the error log of the server: it was restarted, or somebody killed the connection. Then run again.',
    ...(cause === undefined ? {} : { cause }),
  })
}
