import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { BackupError, throwIfAborted } from '@backup-planet/core'
import { isBinlogFileName, nextBinlogName } from './binlog-name.ts'
import type { BinlogPiece } from './dump-frames.ts'
import { EventWalk } from './event-walk.ts'

export interface BinlogCopyOptions {
  /** Where the server keeps its binlogs: the directory of `@@log_bin_basename`. */
  readonly directory: string
  /** The first binlog. */
  readonly binlog: string
  /** The binlog before which the copy ends. All before it must be closed: the server goes on in this one. */
  readonly until: string
  readonly signal?: AbortSignal | undefined
}

const pieceBytes = 1024 * 1024

/**
 * Reads whole binlogs from the files of the server, in pieces as `streamBinlogs` hands them over. Throws `NOT_FOUND` for a file that is missing,
 * `ACCESS_DENIED` for one that may not be read, `UNSUPPORTED` for an encrypted one, whose copy nobody could read, `CORRUPTED` for what is no binlog.
 */
export async function* copyBinlogs(options: BinlogCopyOptions): AsyncGenerator<BinlogPiece, void, void> {
  const { until } = options
  for (let binlog: string | undefined = options.binlog; binlog !== until; binlog = nextBinlogName(binlog)) {
    if (binlog === undefined || !isBinlogFileName(binlog)) {
      throw new BackupError(`"${options.binlog}" is no name of a binlog`, {
        code: 'INVALID_INPUT',
        hint: 'Names are those of SHOW BINARY LOGS, such as mysql-bin.000012.',
      })
    }
    yield* copyBinlog(options, binlog)
  }
}

async function* copyBinlog({ directory, signal }: BinlogCopyOptions, binlog: string): AsyncGenerator<BinlogPiece, void, void> {
  throwIfAborted(signal, `copying binlog ${binlog}`)
  await using file = await opened(join(directory, binlog), binlog)
  const buffer = Buffer.allocUnsafe(pieceBytes)
  for (let position = 0; ; ) {
    throwIfAborted(signal, `copying binlog ${binlog}`)
    const { bytesRead } = await file.read(buffer, 0, pieceBytes, position)
    if (bytesRead === 0) return
    const bytes = buffer.subarray(0, bytesRead)
    // Whether a binlog is encrypted is said in its first two events.
    if (position === 0) new EventWalk({ name: binlog }, () => undefined).push(bytes)
    yield { binlog, position, head: false, bytes }
    position += bytesRead
  }
}

async function opened(path: string, binlog: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? error.code : undefined
    if (reason === 'ENOENT') {
      throw new BackupError(`binlog ${binlog} is not in its directory`, {
        code: 'NOT_FOUND',
        hint: 'The binlog is gone from the server: it was purged, or the logs were reset. Run a full backup to begin a new chain.',
        cause: error,
      })
    }
    throw new BackupError(`binlog ${binlog} cannot be read from its directory: ${error instanceof Error ? error.message : String(error)}`, {
      code: reason === 'EACCES' || reason === 'EPERM' ? 'ACCESS_DENIED' : 'APPLICATION',
      hint: 'Run as a user that may read the files of the server, such as a member of the group mysql, or read binlogs through the connection.',
      cause: error,
    })
  }
}
