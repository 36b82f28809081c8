import { BackupError } from '@backup-planet/core'
import { BinlogScan } from '../binlog/binlog-scan.ts'
import { type BinlogPiece, streamBinlogs } from '../binlog/binlog-stream.ts'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import type { BinlogBeginning, ReadBeginning } from './log-continuation.ts'

/** The first events of a binlog hold a GTID set, which is as large as the history of the server is torn. */
const mostBytes = 64 * 1024 * 1024

/** Reads the first events of binlogs from the server, over a connection of its own for each. */
export function beginningReader(settings: MysqlConnectionSettings, signal: AbortSignal | undefined): ReadBeginning {
  return (binlog) => readBeginning(binlog, streamBinlogs(settings, { binlog, signal }))
}

/** Takes no more of the pieces than it needs. Throws `NOT_FOUND` when there are none, and what `BinlogScan` throws. */
export async function readBeginning(binlog: string, source: AsyncIterable<BinlogPiece>): Promise<BinlogBeginning> {
  const scan = new BinlogScan({ name: binlog })
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of source) {
    if (piece.binlog !== binlog || bytes > mostBytes) break
    pieces.push(Buffer.from(piece.bytes))
    bytes += piece.bytes.length
    try {
      scan.push(piece.bytes)
    } catch (error) {
      // What is damaged further on says nothing against the beginning.
      if (scan.identity === undefined) throw error
    }
    if (scan.identity !== undefined) break
  }
  if (bytes === 0) {
    throw new BackupError(`the server sends nothing of binlog ${binlog}`, {
      code: 'NOT_FOUND',
      hint: 'Look at the error log of the server and at SHOW BINARY LOGS, then run a full backup to begin a new chain.',
    })
  }
  return beginningOf(binlog, Buffer.concat(pieces).subarray(0, scan.reached.offset))
}

/** @param bytes whole events from the beginning of the binlog */
function beginningOf(binlog: string, bytes: Buffer): BinlogBeginning {
  const scan = new BinlogScan({ name: binlog })
  scan.push(bytes)
  const { identity, createdAt, gtidBefore = '' } = scan.end()
  return { identity, gtidBefore, ...(createdAt === undefined ? {} : { createdAt }) }
}

/** So that a log right after the full can tell that it continues it. Reading binlogs is a right that a full does without. */
export async function identityAt(
  position: { readonly file: string } | undefined,
  settings: MysqlConnectionSettings,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (position === undefined) return undefined
  try {
    return (await beginningReader(settings, signal)(position.file)).identity
  } catch (error) {
    if (BackupError.is(error) && error.code === 'ACCESS_DENIED') return undefined
    throw error
  }
}
