import { BackupError, type OperationOptions, type RestoredFiles, type RestoreStop } from '@backup-planet/core'
import { type BinlogPlace, ReplayEndFinder, type ReplayStop } from '../binlog/binlog-stop.ts'
import { chosenUnits, isWhole, type LogChoice, silent } from './log-replay-choice.ts'
import { readBinlogEvents } from './log-replay-events.ts'
import type { ReplayFacts } from './log-replay-facts.ts'
import { incomingLogs, placeOf, type ReplayPlace, scanLog, unitsBetween } from './log-replay-sources.ts'
import { readUnits } from './log-replay-units.ts'

export interface PreflightOptions extends OperationOptions {
  readonly files: RestoredFiles
  readonly facts: ReplayFacts
  readonly stop: RestoreStop | undefined
  readonly choice: LogChoice
}

export interface Preflight {
  /** The first place that is not replayed; `undefined` when all of the logs is. */
  readonly end: ReplayPlace | undefined
  /** Where that is, to people: `mysql-bin.000012:4711, after transaction 0-1-17`. */
  readonly endText: string
}

/**
 * Reads, before anything is changed, what decides how much of the logs is replayed: of the last backup where the stop lies, and all of them when
 * transactions are skipped or not everything is wanted. Throws `INVALID_INPUT` for a stop or a transaction that is not in them, `CORRUPTED` for a log
 * that is damaged, and what a choice throws for a statement.
 */
export async function preflightLogs(options: PreflightOptions): Promise<Preflight> {
  const { facts, stop, choice } = options
  const all = choice.skipped.size > 0 || !isWhole(choice)
  const first = all ? 0 : stop === undefined ? facts.logs.length : facts.lastBackup
  const begin = facts.logs[facts.lastBackup]
  const finder =
    stop === undefined || begin === undefined
      ? undefined
      : new ReplayEndFinder(replayStop(stop), { file: begin.binlog, position: begin.begin, gtid: facts.gtid }, facts.flavour)
  if (stop !== undefined && finder === undefined) checkEmptyLogs(stop)
  const missing = new Set(choice.skipped)
  for await (const file of incomingLogs({ ...options, logs: facts.logs, begin: { log: first, offset: 0 } })) {
    try {
      const number = facts.logs.findIndex((log) => log.backup === file.backup && log.file === file.name)
      const log = facts.logs[number]
      if (log === undefined) continue
      const finds = number >= facts.lastBackup ? finder : undefined
      finds?.beginFile(log.binlog)
      const scanned = await scanLog(file, log, options, (transaction) => {
        if (transaction.gtid !== undefined) missing.delete(transaction.gtid)
        if (transaction.to <= log.end) finds?.take(transaction)
      })
      finds?.endFile(scanned)
      if (!isWhole(choice) && finds?.done !== true) {
        const units = unitsBetween(readUnits(readBinlogEvents(file.open(), placeOf(log, file)), log.binlog), log.begin, log.end, log.binlog)
        for await (const _ of chosenUnits(units, silent(choice), log.binlog));
      }
    } finally {
      await file.release()
    }
    if (finder?.done === true) break
  }
  if (missing.size > 0) throw notThere(`transaction ${[...missing].join(', ')}, which is to be skipped, is not in the logs up to the stop`)
  return foundEnd(finder, stop, facts)
}

function foundEnd(finder: ReplayEndFinder | undefined, stop: RestoreStop | undefined, facts: ReplayFacts): Preflight {
  if (finder === undefined || stop === undefined) return { end: undefined, endText: 'the end of the logs' }
  const { found, binlog, position, last } = finder.result()
  // The logs may reach beyond a moment in which nothing was changed any more.
  if (!found && !('before' in stop)) throw notThere(`what is to be restored to is not in the logs: they lead to ${binlog}:${position}`)
  const number = facts.logs.findIndex((log, index) => index >= facts.lastBackup && log.binlog === binlog && log.end >= position)
  const after =
    last === undefined ? '' : `, after ${last.gtid === undefined ? `the transaction at ${last.from}` : `transaction ${last.gtid}`}`
  return { end: { log: number < 0 ? facts.logs.length : number, offset: position }, endText: `${binlog}:${position}${after}` }
}

function checkEmptyLogs(stop: RestoreStop): void {
  if ('before' in stop) return
  throw notThere('what is to be restored to is not in the logs: the last one holds no changes')
}

function notThere(message: string): BackupError {
  return new BackupError(message, {
    code: 'INVALID_INPUT',
    hint: 'Look up position and GTID with the windows of the job, or with mariadb-binlog in the files of the backup. Nothing was changed.',
  })
}

/** The stop as the scan of logs understands it. Throws `INVALID_INPUT`. */
function replayStop(stop: RestoreStop): ReplayStop {
  if ('before' in stop) {
    const before = Date.parse(stop.before)
    if (Number.isNaN(before)) throw notThere(`${stop.before} is no moment`)
    // Milliseconds are all that a Date holds.
    const micros = /\.\d{3}(\d{1,3})/.exec(stop.before)?.[1]?.padEnd(3, '0') ?? '0'
    return { before: before + Number(micros) / 1000 }
  }
  if ('position' in stop) return { position: placeIn(stop.position.value, 0) }
  const place = placeIn(stop.beforePosition.value, -1)
  // The change that ends there is left out too: everything up to the byte before it.
  return 'file' in place ? { position: place } : { beforePosition: place }
}

function placeIn(value: Readonly<Record<string, string>>, shift: number): BinlogPlace {
  const { file, offset, gtid } = value
  if (file !== undefined && offset !== undefined && /^\d{1,15}$/.test(offset)) return { file, offset: Number(offset) + shift }
  if (gtid !== undefined && gtid !== '') return { gtid }
  throw notThere('the position to restore to names neither a place in a binlog nor a GTID')
}
