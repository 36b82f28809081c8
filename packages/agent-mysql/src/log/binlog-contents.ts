import { BackupError } from '@backup-planet/core'
import { type BinlogPiece, streamBinlogs } from '../binlog/binlog-stream.ts'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'

/** The bytes of whole binlogs, one after the other, in the order of the server. */
export interface BinlogContents extends AsyncDisposable {
  readonly method: 'dump' | 'copy'
  /** Called once for each binlog, in their order, after the one before it was read to its end. */
  open(binlog: string, signal: AbortSignal | undefined): AsyncIterable<Uint8Array>
}

/**
 * All binlogs over one connection, as a replica reads them. A binlog whose end the server lost in a crash ends with the last event that can be
 * read: what is behind it was never committed.
 *
 * @param names of binlogs that follow each other
 * @param until the one after them
 */
export function dumpedBinlogs(settings: ResolvedMysqlAgentSettings, names: readonly string[], until: string): BinlogContents {
  let pieces: AsyncGenerator<BinlogPiece, void, void> | undefined
  let ahead: BinlogPiece | undefined
  const next = async (): Promise<BinlogPiece | undefined> => {
    const piece = ahead
    ahead = undefined
    if (piece !== undefined) return piece
    const result = await pieces?.next()
    return result === undefined || result.done === true ? undefined : result.value
  }
  return {
    method: 'dump',
    async *open(binlog, signal) {
      pieces ??= streamBinlogs(settings, { binlog, until, signal })
      let bytes = 0
      try {
        for (let piece = await next(); piece !== undefined; piece = await next()) {
          if (piece.binlog !== binlog) {
            ahead = piece
            break
          }
          bytes += piece.bytes.length
          yield piece.bytes
        }
      } catch (error) {
        const following = names[names.indexOf(binlog) + 1] ?? until
        if (!isCutEvent(error) || bytes === 0) throw error
        pieces = streamBinlogs(settings, { binlog: following, until, signal })
      }
      if (bytes === 0) throw leftOut(binlog, ahead?.binlog)
    },
    [Symbol.asyncDispose]: async () => {
      await pieces?.return()
    },
  }
}

/** What servers say of an event that a crash has cut: ER_MASTER_FATAL_ERROR_READING_BINLOG, told apart by its text alone. */
function isCutEvent(error: unknown): boolean {
  return BackupError.is(error) && error.code === 'APPLICATION' && /event truncated|truncated in the middle/i.test(error.message)
}

function leftOut(binlog: string, sent: string | undefined): BackupError {
  return new BackupError(`the server sends nothing of binlog ${binlog}${sent === undefined ? '' : `, and goes on with ${sent}`}`, {
    code: 'NOT_FOUND',
    hint: 'It was purged or deleted meanwhile. Nothing was stored; run again: a full backup then begins a new chain.',
  })
}
