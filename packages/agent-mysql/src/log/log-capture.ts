import {
  abortError,
  BackupError,
  type Capture,
  type CaptureFacts,
  type OperationOptions,
  type Position,
  type Problem,
  type Stage,
  type TimeSpan,
  throwIfAborted,
} from '@backup-planet/core'
import { type BinlogFacts, BinlogScan } from '../binlog/binlog-scan.ts'
import { type BinlogFileFacts, binlogItem, layoutFiles } from '../dump-layout.ts'
import { mysqlError } from '../mysql-errors.ts'
import { beginningOfBinlog } from '../mysql-position.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { ClockCoverage } from './clock-coverage.ts'
import { gtidsContinue } from './gtid-continuity.ts'
import { damageOf } from './log-damage.ts'
import { binlogFileFacts, type LogFile } from './log-file.ts'
import { type GuidedFile, logRestoreGuide } from './log-restore-guide.ts'

export interface LogCaptureOptions {
  readonly server: ServerFacts
  readonly sourceName: string
  /** What it continues, and when that was. */
  readonly from: Position
  readonly since: string
  /** Where it ends, with the identity of the binlog that this lies in. */
  readonly to: Position
  readonly identity: string | undefined
  /** The clock of the server before the last change that is in it could be made, and after. */
  readonly clock: { readonly before: string; readonly after: string }
  /** Only until then it is known that nobody restored into the server without its binlogs; left out where that is known until the end. */
  readonly clearUntil?: string
  readonly files: readonly LogFile[]
  /** The content of each file in turn; only one at a time is read. */
  readonly open: (file: LogFile, signal: AbortSignal | undefined) => AsyncIterable<Uint8Array>
  /** Called at most once, after the backup is committed. */
  readonly onConfirmed?: (options: OperationOptions) => Promise<void>
  /** Releases what `open` reads from. */
  readonly close?: () => Promise<void>
}

/** Binlogs that follow a backup, each verified event by event while it is copied. Whatever is wrong with one, the capture fails as a whole. */
export class LogCapture implements Capture {
  readonly #options: LogCaptureOptions
  readonly #coverage: ClockCoverage
  readonly #binlogs: BinlogFileFacts[] = []
  #covers: readonly TimeSpan[] | undefined
  /** The last commit, where the log tells it more exactly than in seconds. */
  #lastExact: number | undefined
  #copied = false

  constructor(options: LogCaptureOptions) {
    this.#options = options
    this.#coverage = new ClockCoverage(Date.parse(options.since))
  }

  get facts(): CaptureFacts {
    const { server, sourceName, from, to, identity, files, clearUntil } = this.#options
    const { file = '', offset = '', gtid = '' } = to.value
    return {
      application: 'mysql',
      source: { id: server.id, name: sourceName, version: server.version },
      kind: 'log',
      consistentAt: this.#consistentAt,
      position: to,
      from,
      ...(this.#covers === undefined ? {} : { covers: this.#covers }),
      facts: {
        flavour: server.flavour,
        serverId: server.serverId,
        binlogFormat: server.binlogFormat ?? null,
        lowerCaseTableNames: server.lowerCaseTableNames,
        binlog: {
          file,
          offset,
          gtid,
          ...(identity === undefined ? {} : { identity }),
          ...(clearUntil === undefined ? {} : { clearUntil }),
        },
        files: files.length,
        transactions: this.#transactions,
      },
      restoreGuide: logRestoreGuide(server, { from, to }, this.#guidedFiles, this.#consistentAt),
    }
  }

  /**
   * A change of the second in which the log ends is stamped with that second, before or after its end: so the log ends when its end was known. Where
   * commits are stamped exactly, it ends with the last of them.
   */
  get #consistentAt(): string {
    const { before, after } = this.#options.clock
    if (this.#lastExact === undefined) return after
    return new Date(Math.min(Math.max(Date.parse(before), Math.ceil(this.#lastExact)), Date.parse(after))).toISOString()
  }

  /** Where the last part ends is known once it is copied; until then as if every file were a whole one. */
  get #guidedFiles(): readonly GuidedFile[] {
    const { files } = this.#options
    return files.map(({ file, binlog, begin = 0, bytes }, index) => this.#binlogs[index] ?? { file, binlog, from: begin, to: bytes, bytes })
  }

  get #transactions(): number {
    return this.#binlogs.reduce((sum, { transactions }) => sum + transactions, 0)
  }

  async copyTo(stage: Stage, options: OperationOptions = {}): Promise<void> {
    const { signal } = options
    throwIfAborted(signal, 'copying binlogs')
    if (this.#copied) throw new TypeError('a capture is copied only once')
    this.#copied = true
    try {
      await this.#copy(stage, options)
    } catch (error) {
      if (signal?.aborted) throw abortError(signal, 'copying binlogs')
      throw mysqlError(error, 'copying binlogs')
    }
  }

  async #copy(stage: Stage, { signal, onProgress }: OperationOptions): Promise<void> {
    const { files, from, to } = this.#options
    const item = binlogItem
    const bytesTotal = files.reduce((sum, { bytes }) => sum + bytes, 0)
    onProgress?.({ type: 'item', phase: 'capture', item, state: 'begun', bytesTotal })
    for (const [index, file] of files.entries()) {
      throwIfAborted(signal, 'copying binlogs')
      const scan = this.#scanOf(file)
      let facts: BinlogFacts | undefined
      const onBytes = (bytes: number): void => onProgress?.({ type: 'bytes', phase: 'capture', item, bytes })
      const content = verified(this.#options.open(file, signal), scan, onBytes, (found) => {
        facts = this.#accepted(file, found)
      })
      const { sha256 } = await stage.write({ item, name: file.file }, content, { signal }).catch((error: unknown) => {
        throw damageOf(error, files[index + 1]?.binlog ?? to.value.file ?? '')
      })
      if (facts === undefined) throw new TypeError(`${file.file} was staged without having been read to its end`)
      for (const incident of facts.incidents) onProgress?.({ type: 'problem', problem: incidentProblem(file.binlog, incident) })
      this.#binlogs.push(binlogFileFacts(file, facts, sha256))
    }
    this.#covers = this.#coverage.end(Date.parse(this.#consistentAt))
    if (files.length > 0) {
      const lines = Buffer.from(this.#binlogs.map((facts) => `${JSON.stringify(facts)}\n`).join(''))
      await stage.write({ item, name: layoutFiles.binlogs }, oneBlock(lines), { signal })
    }
    const bytes = this.#binlogs.reduce((sum, facts) => sum + facts.bytes, 0)
    const binlogs = this.#binlogs.map((facts) => ({ ...facts }))
    await stage.sealItem({ item, from, to, bytes, facts: { binlogs, transactions: this.#transactions } })
    onProgress?.({ type: 'item', phase: 'capture', item, state: 'ended' })
  }

  #scanOf({ binlog, begin, gtidBefore }: LogFile): BinlogScan {
    return new BinlogScan({
      name: binlog,
      begin,
      gtidBefore,
      onTransaction: ({ time, exact }) => {
        if (exact) this.#coverage.reading(time)
        else this.#coverage.change(time)
        if (exact) this.#lastExact = time
      },
    })
  }

  /** Checks that it is all there, and goes on where the one before it ended. */
  #accepted(file: LogFile, facts: BinlogFacts): BinlogFacts {
    const before = this.#binlogs.at(-1)
    const { binlog } = file
    const expected = before === undefined ? this.#gtidOfBeginning(file) : before.gtidAfter
    this.#assertContinues(before?.binlog ?? 'what is backed up', expected, binlog, facts.gtidBefore)
    // Of a binlog that was cut between two events nothing else speaks.
    const { value } = this.#options.to
    if (file === this.#options.files.at(-1) && value.offset === beginningOfBinlog) {
      this.#assertContinues(binlog, facts.gtidAfter, value.file ?? '', value.gtid)
    }
    return facts
  }

  #assertContinues(binlog: string, after: string | undefined, next: string, before: string | undefined): void {
    if (after === undefined || before === undefined || gtidsContinue(after, before)) return
    throw new BackupError(
      `binlog ${next} does not continue ${binlog}: that ends with GTID ${after || 'none'}, and it begins after ${before || 'none'}`,
      {
        code: 'INCONSISTENT',
        hint: `Nothing was stored. Run a full backup, then PURGE BINARY LOGS TO '${next}' on the server: log backups then go on from the full.`,
      },
    )
  }

  /** Only a log that begins with a whole binlog can be compared with what it continues. */
  #gtidOfBeginning({ begin }: LogFile): string | undefined {
    const { file, offset, gtid = '' } = this.#options.from.value
    return begin === undefined && file === this.#options.files[0]?.binlog && offset === beginningOfBinlog && gtid !== '' ? gtid : undefined
  }

  async confirm(options: OperationOptions = {}): Promise<void> {
    throwIfAborted(options.signal, 'confirming')
    await this.#options.onConfirmed?.(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.close?.()
  }
}

function incidentProblem(binlog: string, incident: string): Problem {
  return {
    severity: 'warning',
    code: 'INCONSISTENT',
    message: `the server wrote into binlog ${binlog} that it has lost changes${incident === '' ? '' : `: ${incident}`}`,
    hint: 'Look at the error log of the server, and make a full backup: restores to later moments should begin with it.',
    item: binlogItem,
  }
}

/** Passes on what is sound; throws before the end of what is not, so that nothing is left of it. */
async function* verified(
  content: AsyncIterable<Uint8Array>,
  scan: BinlogScan,
  onBytes: (bytes: number) => void,
  onEnd: (facts: BinlogFacts) => void,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const bytes of content) {
    scan.push(bytes)
    onBytes(bytes.length)
    yield bytes
  }
  onEnd(scan.end())
}

async function* oneBlock(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield bytes
}
