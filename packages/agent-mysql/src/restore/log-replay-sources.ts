import { BackupError, type OperationOptions, type RestoredFile, type RestoredFiles, throwIfAborted } from '@backup-planet/core'
import type { BinlogFacts } from '../binlog/binlog-scan.ts'
import { BinlogScan } from '../binlog/binlog-scan.ts'
import { binlogItem } from '../dump-layout.ts'
import type { LogFile } from './log-chain.ts'
import { type ReplayAction, replayActions } from './log-replay-actions.ts'
import { chosenUnits, type LogChoice } from './log-replay-choice.ts'
import { type BinlogPiece, readBinlogEvents } from './log-replay-events.ts'
import { readUnits, type UnitPiece } from './log-replay-units.ts'

/** One log, ready to be applied. */
export interface ReplaySource {
  /** Name of the binlog on the server. */
  readonly name: string
  readonly actions: AsyncIterable<ReplayAction>
}

/** Where a replay begins, or goes on: number of the log in the chain, and offset on the server. */
export interface ReplayPlace {
  readonly log: number
  readonly offset: number
}

export interface SourcesOptions extends OperationOptions {
  readonly files: RestoredFiles
  readonly logs: readonly LogFile[]
  readonly begin: ReplayPlace
  /** The first place that is not replayed; the end of the logs when left out. */
  readonly end?: ReplayPlace | undefined
  readonly choice: LogChoice
  readonly pieceBytes: number
  /** Looks at the units of a log before the first of them is applied. */
  readonly onLog?: (units: AsyncIterable<UnitPiece>, log: LogFile) => Promise<void>
}

interface HeldLog {
  readonly file: RestoredFile
  readonly number: number
  readonly log: LogFile
}

/**
 * The logs of a chain in their order, one local copy at a time. Each is scanned whole before the first byte of it is given: what is damaged throws
 * `CORRUPTED` before anything of it has reached the server.
 */
export class ReplaySources {
  readonly #options: SourcesOptions
  readonly #incoming: AsyncIterator<RestoredFile, void>
  #next: HeldLog | undefined
  /** What of the next one is under way. */
  #coming: Promise<HeldLog | undefined> | undefined
  readonly #closed = new AbortController()
  /** The one that is being applied. */
  #current: RestoredFile | undefined

  constructor(options: SourcesOptions) {
    const signals = [options.signal, this.#closed.signal].filter((signal) => signal !== undefined)
    this.#options = { ...options, signal: AbortSignal.any(signals) }
    this.#incoming = incomingLogs(this.#options)
  }

  /** Whether there is a log left. */
  async hasNext(): Promise<boolean> {
    return (await this.#peek()) !== undefined
  }

  /** The logs that one session applies: up to the next start of the server, where all sessions of the source had ended. */
  async *session(): AsyncGenerator<ReplaySource, void, void> {
    for (let first = true; ; first = false) {
      const next = await this.#peek()
      if (next === undefined) return
      const { file, number, log } = next
      const pieces = readBinlogEvents(file.open(), placeOf(log, file))
      try {
        const head = await pieces.next()
        if (!first && head.done !== true && isServerStart(head.value, log)) return
        this.#next = undefined
        this.#current = file
        yield { name: log.binlog, actions: replayActions(this.#units(head, pieces, number, log), number, this.#options.pieceBytes) }
      } finally {
        // Of one that is left to the next session, too: that opens it anew.
        await pieces.return()
        if (this.#current === file) await file.release()
      }
    }
  }

  /** Releases what is held, also by a session that nobody has ended. */
  async close(): Promise<void> {
    this.#closed.abort(new BackupError('the replay has ended', { code: 'ABORTED' }))
    await this.#coming?.catch(() => undefined)
    await this.#current?.release()
    await this.#next?.file.release()
    this.#next = undefined
    await this.#incoming.return?.()
  }

  /** One at a time. */
  async #peek(): Promise<HeldLog | undefined> {
    if (this.#next !== undefined) return this.#next
    this.#coming = this.#receive()
    return await this.#coming
  }

  async #receive(): Promise<HeldLog | undefined> {
    const found = await this.#incoming.next()
    if (found.done === true) return undefined
    const file = found.value
    const number = numberOf(file, this.#options.logs)
    const log = this.#options.logs[number]
    if (log === undefined) throw new TypeError(`${file.name} is not in the chain`)
    try {
      await scanLog(file, log, this.#options)
      await this.#options.onLog?.(this.#range(readUnits(readBinlogEvents(file.open(), placeOf(log, file)), log.binlog), number, log), log)
    } catch (error) {
      await file.release()
      throw error
    }
    this.#next = { file, number, log }
    return this.#next
  }

  #units(
    head: IteratorResult<BinlogPiece, void>,
    rest: AsyncIterable<BinlogPiece>,
    number: number,
    log: LogFile,
  ): AsyncIterable<UnitPiece> {
    return chosenUnits(this.#range(readUnits(putBack(head, rest), log.binlog), number, log), this.#options.choice, log.binlog)
  }

  /** Units between the beginning and the end of the replay. */
  #range(units: AsyncIterable<UnitPiece>, number: number, log: LogFile): AsyncIterable<UnitPiece> {
    const { begin, end } = this.#options
    const from = Math.max(log.begin, number === begin.log ? begin.offset : 0)
    const to = Math.min(log.end, number === end?.log ? end.offset : Number.POSITIVE_INFINITY)
    return unitsBetween(units, from, to, log.binlog)
  }
}

async function* putBack(
  head: IteratorResult<BinlogPiece, void>,
  rest: AsyncIterable<BinlogPiece>,
): AsyncGenerator<BinlogPiece, void, void> {
  if (head.done === true) return
  yield head.value
  yield* rest
}

/** The units from one offset on the server to another. Throws `INCONSISTENT` when one lies across the beginning. */
export async function* unitsBetween(
  units: AsyncIterable<UnitPiece>,
  from: number,
  to: number,
  name: string,
): AsyncGenerator<UnitPiece, void, void> {
  let inside = false
  for await (const piece of units) {
    if (piece.type === 'begin') {
      if (piece.unit.begin >= to) return
      inside = piece.unit.begin >= from
    } else if (piece.type === 'end') {
      if (!inside && piece.end > from) {
        throw new BackupError(`position ${from} of binlog ${name} lies inside a transaction that ends at ${piece.end}`, {
          code: 'INCONSISTENT',
          hint: 'The backups do not fit together; verify them, and restore from a full backup that was made later.',
        })
      }
    }
    if (inside || piece.type === 'format') yield piece
  }
}

export async function* incomingLogs(
  options: Pick<SourcesOptions, 'files' | 'logs' | 'begin' | 'end' | 'signal'>,
): AsyncGenerator<RestoredFile, void, void> {
  const { files, logs, begin, end } = options
  const wanted = new Map(logs.map((log, number) => [`${log.backup}\0${log.file}`, number]))
  const select = (file: { readonly backup: string; readonly item: string; readonly name: string }) => {
    const number = file.item === binlogItem ? wanted.get(`${file.backup}\0${file.name}`) : undefined
    return number !== undefined && number >= begin.log && number <= (end?.log ?? logs.length)
  }
  yield* files.stream(select, options)
}

function numberOf(file: Pick<RestoredFile, 'backup' | 'name'>, logs: readonly LogFile[]): number {
  return logs.findIndex((log) => log.backup === file.backup && log.file === file.name)
}

export function placeOf(log: LogFile, file: Pick<RestoredFile, 'size'>) {
  return { name: log.binlog, from: log.from, headerLength: file.size - (log.to - log.from) }
}

function isServerStart({ format }: BinlogPiece, log: LogFile): boolean {
  return format !== undefined && format.created !== 0 && log.from === 0
}

/** Reads a whole log and compares it with what the capture has recorded of it. Throws `CORRUPTED`. */
export async function scanLog(
  file: RestoredFile,
  log: LogFile,
  options: OperationOptions,
  onTransaction?: ConstructorParameters<typeof BinlogScan>[0]['onTransaction'],
): Promise<BinlogFacts> {
  const part = log.from > 0
  const scan = new BinlogScan({
    name: log.binlog,
    ...(part ? { begin: log.from, ...(log.gtidBefore === undefined ? {} : { gtidBefore: log.gtidBefore }) } : {}),
    ...(onTransaction === undefined ? {} : { onTransaction }),
  })
  for await (const bytes of file.open()) {
    throwIfAborted(options.signal, `reading ${log.binlog}`)
    scan.push(bytes)
  }
  const facts = scan.end()
  if (facts.to !== log.to || (log.identity !== undefined && !part && facts.identity !== log.identity)) {
    throw new BackupError(`${log.file} is not the binlog that backup ${log.backup} has recorded`, {
      code: 'CORRUPTED',
      hint: 'Restore to a moment before it, or from another copy of this backup.',
    })
  }
  return facts
}
