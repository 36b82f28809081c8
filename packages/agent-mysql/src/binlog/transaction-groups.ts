import { endsStatement, eventHeaderBytes, readQuery, readTableMap } from './binlog-event.ts'
import { eventType, isRowsEvent } from './binlog-event-type.ts'
import type { BinlogTransaction } from './binlog-transaction.ts'
import { shownStatement, statementKind } from './statement-text.ts'
import type { WalkedEvent } from './walked-event.ts'

/** The GTID event that opens a group, as far as the group is concerned. */
export interface GroupGtid {
  readonly text?: string | undefined
  /** Milliseconds; 0 where it is not said. */
  readonly committedAt: number
  /** It stands for BEGIN as well, as in MariaDB. */
  readonly begins: boolean
}

interface OpenGroup {
  readonly begin: number
  readonly from: number
  readonly gtid: GroupGtid | undefined
  /** Between BEGIN and COMMIT; else the next statement ends the group. */
  began: boolean
  end: number
  to: number
  timestamp: number
  statement: Buffer | undefined
  readonly tables: string[]
}

const mostTables = 16

/** Events that belong to no transaction, wherever they stand. */
const outside: ReadonlySet<number> = new Set([
  eventType.FORMAT_DESCRIPTION,
  eventType.PREVIOUS_GTIDS,
  eventType.GTID_LIST,
  eventType.BINLOG_CHECKPOINT,
  eventType.START_ENCRYPTION,
  eventType.HEARTBEAT,
  eventType.HEARTBEAT_V2,
  eventType.ROTATE,
  eventType.STOP,
  eventType.SLAVE,
])

/** Events before the statement that they are for. */
const preparing: ReadonlySet<number> = new Set([
  eventType.INTVAR,
  eventType.RAND,
  eventType.USER_VAR,
  eventType.BEGIN_LOAD_QUERY,
  eventType.CREATE_FILE,
  eventType.APPEND_BLOCK,
  eventType.DELETE_FILE,
  eventType.ROWS_QUERY,
  eventType.ANNOTATE_ROWS,
  eventType.TABLE_MAP,
])

const finishing: ReadonlySet<number> = new Set([eventType.XID, eventType.XA_PREPARE, eventType.TRANSACTION_PAYLOAD, eventType.EXEC_LOAD])

/**
 * Puts events together to transactions: from its GTID, or BEGIN, or the first event that prepares a statement, to XID, COMMIT, ROLLBACK or the
 * statement that commits by itself. What opens a group ends one that is still open, so that no event is in none.
 *
 * @param onTransaction told of each as soon as it is whole
 * @param describes whether statements and tables are wanted
 */
export class TransactionGroups {
  readonly #onTransaction: (transaction: BinlogTransaction) => void
  readonly #describes: boolean
  #open: OpenGroup | undefined

  constructor(onTransaction: (transaction: BinlogTransaction) => void, describes: boolean) {
    this.#onTransaction = onTransaction
    this.#describes = describes
  }

  /** Where the group begins that has not ended yet. */
  get unfinished(): { readonly begin: number; readonly from: number } | undefined {
    return this.#open
  }

  /** @param postHeaderBytes of its type. Returns whether the event holds what it must. */
  take(event: WalkedEvent, gtid: GroupGtid | undefined, postHeaderBytes: number): boolean {
    if (gtid !== undefined) {
      this.#finish()
      this.#begin(event, gtid, gtid.begins)
    } else if (event.type === eventType.QUERY || event.type === eventType.QUERY_COMPRESSED || event.type === eventType.EXECUTE_LOAD_QUERY) {
      return this.#takeStatement(event, postHeaderBytes)
    } else if (finishing.has(event.type)) {
      this.#extend(this.#open ?? this.#begin(event, undefined, false), event)
      this.#finish()
    } else if (isRowsEvent(event.type)) {
      const group = this.#open ?? this.#begin(event, undefined, false)
      this.#extend(group, event)
      if (!group.began && endsStatement(event.bytes.subarray(eventHeaderBytes), postHeaderBytes)) this.#finish()
    } else if (preparing.has(event.type)) {
      this.#takePreparing(event, postHeaderBytes)
    } else if (event.type === eventType.STOP || event.type === eventType.ROTATE) {
      if (event.stored) this.#finish()
    } else if (!outside.has(event.type) && this.#open !== undefined) {
      this.#extend(this.#open, event)
      if (event.type === eventType.INCIDENT && !this.#open.began) this.#finish()
    }
    return true
  }

  #begin(event: WalkedEvent, gtid: GroupGtid | undefined, began: boolean): OpenGroup {
    const { begin, from, size, timestamp } = event
    this.#open = { begin, from, gtid, began, end: begin + size, to: from + size, timestamp, statement: undefined, tables: [] }
    return this.#open
  }

  #extend(group: OpenGroup, event: WalkedEvent): void {
    group.end = event.begin + event.size
    group.to = event.from + event.size
    if (event.timestamp > 0) group.timestamp = event.timestamp
  }

  #takeStatement(event: WalkedEvent, postHeaderBytes: number): boolean {
    const isLoad = event.type === eventType.EXECUTE_LOAD_QUERY
    const query = readQuery(event.bytes.subarray(eventHeaderBytes), event.type, postHeaderBytes)
    if (query === undefined) return false
    const kind = isLoad ? 'other' : statementKind(query.statement)
    const opens = kind === 'begin' || kind === 'xa-start'
    // A BEGIN right behind its GTID belongs to it; any other one says that the end of a group was not understood.
    if (opens && this.#open?.began === true && this.#open.gtid?.begins !== true) this.#finish()
    const group = this.#open ?? this.#begin(event, undefined, false)
    this.#extend(group, event)
    if (opens) group.began = true
    else if (kind === 'other') {
      if (this.#describes) group.statement ??= Buffer.from(query.statement.subarray(0, 1024))
      if (!group.began) this.#finish()
    } else if (kind !== 'xa-end') this.#finish()
    return true
  }

  #takePreparing(event: WalkedEvent, postHeaderBytes: number): void {
    const group = this.#open ?? this.#begin(event, undefined, false)
    this.#extend(group, event)
    if (!this.#describes) return
    if (event.type === eventType.TABLE_MAP && group.tables.length < mostTables) {
      const table = readTableMap(event.bytes.subarray(eventHeaderBytes), postHeaderBytes)
      if (table !== undefined && !group.tables.includes(table)) group.tables.push(table)
    } else if (event.type === eventType.ANNOTATE_ROWS || event.type === eventType.ROWS_QUERY) {
      // ROWS_QUERY has the length of the text, modulo 256, before it.
      const begin = eventHeaderBytes + (event.type === eventType.ROWS_QUERY ? 1 : 0)
      group.statement ??= Buffer.from(event.bytes.subarray(begin))
    }
  }

  #finish(): void {
    const group = this.#open
    if (group === undefined) return
    this.#open = undefined
    const { begin, end, from, to, gtid, statement, tables } = group
    const exact = gtid !== undefined && gtid.committedAt > 0
    this.#onTransaction({
      begin,
      end,
      from,
      to,
      time: exact ? gtid.committedAt : group.timestamp * 1000,
      exact,
      ...(gtid?.text === undefined ? {} : { gtid: gtid.text }),
      ...(statement === undefined ? {} : { statement: shownStatement(statement) }),
      tables,
    })
  }
}
