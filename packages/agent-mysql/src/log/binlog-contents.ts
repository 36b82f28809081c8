import { dirname, join } from 'node:path'
import { BackupError } from '@backup-planet/core'
import { copyBinlogs } from '../binlog/binlog-copy.ts'
import { type BinlogPiece, streamBinlogs } from '../binlog/binlog-stream.ts'
import type { MysqlConnectionSettings, ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { readBeginning } from './binlog-beginning.ts'
import { isClosedInOrder } from './closed-binlog.ts'
import type { ReadBeginning } from './log-continuation.ts'
import { damageOf } from './log-damage.ts'

/** The bytes of whole binlogs, one after the other, in the order of the server. */
export interface BinlogContents extends AsyncDisposable {
  readonly method: 'dump' | 'copy'
  /** Called once for each binlog, in their order, after the one before it was read to its end. */
  open(binlog: string, signal: AbortSignal | undefined): AsyncIterable<Uint8Array>
}

export interface ContentsOptions {
  readonly settings: ResolvedMysqlAgentSettings
  readonly server: ServerFacts
  /** Binlogs that follow each other, all of them closed. */
  readonly names: readonly string[]
  /** The one after them. */
  readonly until: string
  readonly readBeginning: ReadBeginning
  readonly signal: AbortSignal | undefined
}

/** By the method that the settings name. Throws `UNSUPPORTED` or what reading files throws when that is `copy` and they cannot be copied here. */
export async function binlogContents(options: ContentsOptions): Promise<BinlogContents> {
  const { settings, names, until } = options
  if (settings.binlogFetch === 'dump') return dumpedBinlogs(settings, names, until)
  try {
    return copiedBinlogs(options, await ownDirectory(options))
  } catch (error) {
    if (settings.binlogFetch === 'copy' || !BackupError.is(error) || error.code === 'ABORTED') throw damageOf(error, names[1] ?? until)
    return dumpedBinlogs(settings, names, until)
  }
}

/** The directory of the binlogs, once it is proven that it is this server's: another one may have files of the same names at the same place. */
async function ownDirectory({ server, names, until, readBeginning: fromServer, signal }: ContentsOptions): Promise<string> {
  const base = server.variables.log_bin_basename ?? ''
  const [binlog] = names
  if (base === '' || binlog === undefined) {
    throw new BackupError('the server does not say where its binlogs lie', {
      code: 'UNSUPPORTED',
      hint: 'Set binlogFetch to auto or dump.',
    })
  }
  const directory = dirname(base)
  const here = await readBeginning(binlog, copyBinlogs({ directory, binlog, until, signal }))
  if (here.identity === (await fromServer(binlog)).identity) return directory
  throw new BackupError(`the file ${binlog} in the directory of the server's binlogs is not the server's: it is on another machine`, {
    code: 'UNSUPPORTED',
    hint: 'Run the backup on the machine of the server, or set binlogFetch to auto or dump.',
  })
}

function copiedBinlogs({ settings, names, until }: ContentsOptions, directory: string): BinlogContents {
  return {
    method: 'copy',
    async *open(binlog, signal) {
      const next = names[names.indexOf(binlog) + 1] ?? until
      if (await isClosedInOrder(join(directory, binlog), next).catch(() => false)) {
        for await (const { bytes } of copyBinlogs({ directory, binlog, until: next, signal })) yield bytes
      } else yield* dumpedBinlogs(settings, [binlog], next).open(binlog, signal)
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/**
 * All binlogs over one connection, as a replica reads them. A binlog whose end the server lost in a crash ends with the last event that can be
 * read: what is behind it was never committed.
 */
function dumpedBinlogs(settings: MysqlConnectionSettings, names: readonly string[], until: string): BinlogContents {
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
        if (!isCutEvent(error) || bytes === 0) throw error
        const following = names[names.indexOf(binlog) + 1]
        pieces = following === undefined ? undefined : streamBinlogs(settings, { binlog: following, until, signal })
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
