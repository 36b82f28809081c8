import { BackupError } from '@backup-planet/core'
import type { BinlogFacts } from './binlog-facts.ts'
import { compareBinlogNames } from './binlog-name.ts'
import { type GtidTarget, gtidTarget } from './binlog-stop-gtid.ts'
import type { BinlogTransaction } from './binlog-transaction.ts'

/** A place in the logs of a server: an offset in one of its binlogs, or what is executed there. */
export type BinlogPlace = { readonly file: string; readonly offset: number } | { readonly gtid: string }

/** Where a replay ends; at the end of the logs when nothing is said. */
export type ReplayStop =
  /** Milliseconds since 1970: before the first transaction of this time or later. Where the log has whole seconds, the time is rounded down to one. */
  | { readonly before: number }
  /** Right behind the place: what lies before the offset, or all up to the transaction that completes the set of GTIDs. */
  | { readonly position: BinlogPlace }
  /** Before the transaction there: the one that ends at the offset or contains it, or of this single GTID. */
  | { readonly beforePosition: BinlogPlace }

export interface ReplayStart {
  /** Name of the binlog, and the offset in it on the server, up to which everything is there already. */
  readonly file: string
  readonly position: number
  /** The same in the bytes of that file, where they differ. */
  readonly offset?: number
  /** What is executed there; needed for stops at GTIDs. */
  readonly gtid?: string | undefined
}

export type ReplayedTransaction = BinlogTransaction & { readonly binlog: string }

/** Where exactly a replay ends. */
export interface ReplayEnd {
  readonly binlog: string
  /** The first byte that is not replayed: in the bytes of that file, and on the server. */
  readonly offset: number
  readonly position: number
  /** Whether the logs reach to the stop; else they end before it, or begin behind it. */
  readonly found: boolean
  readonly last?: ReplayedTransaction
  /** The first transaction that is left out; unknown where the logs end with the last one. */
  readonly next?: ReplayedTransaction
}

/** What one kind of stop says of transactions in their order. */
interface StopRule {
  /** Before this one? */
  endsBefore(transaction: BinlogTransaction, binlog: string): 'found' | 'missed' | undefined
  /** Right after this one, which is applied? */
  endsAfter?(transaction: BinlogTransaction): boolean
  /** Where no transaction has ended it: whether the end of the logs is the stop. */
  isAtEnd(last: BinlogFacts): boolean
}

/**
 * Finds where a replay ends. Takes the transactions of the logs in order: `beginFile`, its transactions, `endFile`, and so for every file until `done`.
 * Throws `INVALID_INPUT` for a stop that cannot be read, and a start that lies inside a transaction.
 */
export class ReplayEndFinder {
  readonly #start: ReplayStart
  readonly #rule: StopRule
  #binlog: string
  #end: { readonly binlog: string; readonly offset: number; readonly position: number } | undefined
  #found = false
  #last: ReplayedTransaction | undefined
  #next: ReplayedTransaction | undefined
  #lastFacts: BinlogFacts | undefined

  constructor(stop: ReplayStop | undefined, start: ReplayStart, flavour: BinlogFacts['flavour']) {
    this.#start = start
    this.#binlog = start.file
    this.#rule = stopRule(stop, start, flavour)
  }

  /** Whether nothing that follows changes the answer. */
  get done(): boolean {
    return this.#next !== undefined
  }

  beginFile(binlog: string): void {
    this.#binlog = binlog
  }

  take(transaction: BinlogTransaction): void {
    if (this.done || this.#isThereAlready(transaction)) return
    const placed = { ...transaction, binlog: this.#binlog }
    if (this.#end !== undefined) {
      this.#next = placed
      return
    }
    const stop = this.#rule.endsBefore(transaction, this.#binlog)
    if (stop !== undefined) {
      this.#next = placed
      this.#end = { binlog: this.#binlog, offset: transaction.begin, position: transaction.from }
      this.#found = stop === 'found'
      return
    }
    this.#last = placed
    if (this.#rule.endsAfter?.(transaction) === true) {
      this.#end = { binlog: this.#binlog, offset: transaction.end, position: transaction.to }
      this.#found = true
    }
  }

  /** A transaction that the last file holds only in part is not replayed. */
  endFile(facts: BinlogFacts): void {
    this.#lastFacts = facts
  }

  result(): ReplayEnd {
    const end = this.#end ?? this.#endOfLogs()
    return {
      ...end,
      found: this.#end === undefined ? this.#lastFacts !== undefined && this.#rule.isAtEnd(this.#lastFacts) : this.#found,
      ...(this.#last === undefined ? {} : { last: this.#last }),
      ...(this.#next === undefined ? {} : { next: this.#next }),
    }
  }

  #endOfLogs(): { readonly binlog: string; readonly offset: number; readonly position: number } {
    const { file, position, offset = position } = this.#start
    const facts = this.#lastFacts
    if (facts === undefined) return { binlog: file, offset, position }
    const end = facts.unfinished ?? facts.bytes
    return { binlog: facts.binlog, offset: end, position: facts.to - (facts.bytes - end) }
  }

  #isThereAlready({ from, to }: BinlogTransaction): boolean {
    if (this.#binlog !== this.#start.file || from >= this.#start.position) return false
    if (to <= this.#start.position) return true
    throw new BackupError(`position ${this.#start.position} of ${this.#binlog} lies inside the transaction from ${from} to ${to}`, {
      code: 'INVALID_INPUT',
      hint: 'Begin the replay at the position of a backup.',
    })
  }
}

function stopRule(stop: ReplayStop | undefined, start: ReplayStart, flavour: BinlogFacts['flavour']): StopRule {
  if (stop === undefined) return { endsBefore: () => undefined, isAtEnd: () => true }
  if ('before' in stop) return timeRule(stop.before)
  const place = 'position' in stop ? stop.position : stop.beforePosition
  // An offset is between two transactions or inside one: in either case everything before it is replayed, and nothing behind it.
  if ('file' in place) return offsetRule(place, start)
  return gtidRule(gtidTarget(place.gtid, 'position' in stop ? 'complete' : 'before', start.gtid, flavour))
}

function timeRule(before: number): StopRule {
  const second = Math.floor(before / 1000) * 1000
  return {
    endsBefore: ({ time, exact }) => (time >= (exact ? before : second) ? 'found' : undefined),
    isAtEnd: () => false,
  }
}

function offsetRule(place: { readonly file: string; readonly offset: number }, start: ReplayStart): StopRule {
  const toStart = compareBinlogNames(place.file, start.file)
  const passed = toStart === undefined || toStart < 0 || (toStart === 0 && place.offset < start.position)
  return {
    endsBefore({ to }, binlog) {
      if (passed) return 'missed'
      const order = compareBinlogNames(binlog, place.file)
      if (order === undefined) return 'missed'
      return order > 0 || (order === 0 && to > place.offset) ? 'found' : undefined
    },
    isAtEnd({ binlog, to, next }) {
      if (passed) return false
      return (binlog === place.file && place.offset <= to) || (next === place.file && place.offset <= 4)
    },
  }
}

function gtidRule(target: GtidTarget): StopRule {
  return {
    endsBefore: ({ gtid }) => (target.isReached ? 'found' : gtid === undefined ? undefined : target.before(gtid)),
    endsAfter: ({ gtid }) => gtid !== undefined && target.after(gtid),
    isAtEnd: () => target.isReached,
  }
}
