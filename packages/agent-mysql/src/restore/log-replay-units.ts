import { BackupError } from '@backup-planet/core'
import { type FormatDescription, readIncident, readQuery } from '../binlog/binlog-event.ts'
import { eventType, eventTypeName, isHeartbeat, isRowsEvent } from '../binlog/binlog-event-type.ts'
import { readMariadbGtid, readMysqlGtid } from '../binlog/gtid-event.ts'
import { statementKind } from '../binlog/statement-text.ts'
import { type AlterPhase, alterPhase, withoutPhase } from './log-replay-alter.ts'
import type { BinlogPiece, ReplayEvent } from './log-replay-events.ts'
import { unpackedTransactions } from './log-replay-payload.ts'

/** What ends a unit: the event of a commit, a statement that says so, XA PREPARE, or a statement that is the whole unit. */
export type UnitEnding = 'xid' | 'commit' | 'rollback' | 'prepare' | 'statement'

/** What the server committed at once: a transaction, or a statement that commits by itself. */
export interface UnitHead {
  /** Offset in the binlog of the server. */
  readonly begin: number
  /** `domain-server-sequence`, or `uuid:number`; left out where the server gave none. */
  readonly gtid?: string
  /** Statement that opens it, where the server has not written one: `BEGIN`, or `XA START …`. */
  readonly opening?: string
  /**
   * It changes rows and nothing else, and is committed by its last event: then a note that is written before that event is committed with
   * it. Known for what is small; anything large counts as not plain.
   */
  readonly plain: boolean
  /** One statement and nothing before it. */
  readonly single: boolean
  readonly first: ReplayEvent
}

export type UnitPiece =
  | { readonly type: 'format'; readonly event: ReplayEvent; readonly format: FormatDescription }
  | { readonly type: 'begin'; readonly unit: UnitHead }
  | { readonly type: 'event'; readonly event: ReplayEvent; readonly ending?: UnitEnding }
  | { readonly type: 'end'; readonly end: number }

/** As much of a unit is held in memory to find out what it is. */
const heldBytes = 1024 * 1024

/**
 * Joins the events of one binlog to what was committed at once. Leaves out what changes nothing. A unit that the file does not hold whole is not
 * given at all when it is small, and without an `end` when it is large: the server died while it wrote it, and never committed it. Throws `INCONSISTENT`
 * for an incident (the server lost changes), `UNSUPPORTED` for events that nobody has documented, and what unpacking compressed transactions throws.
 */
export async function* readUnits(pieces: AsyncIterable<BinlogPiece>, name: string): AsyncGenerator<UnitPiece, void, void> {
  let open: OpenUnit | undefined
  /** `undefined` once the unit is given as it comes. */
  let held: { readonly event: ReplayEvent; readonly ending?: UnitEnding }[] | undefined = []
  let bytes = 0
  for await (const piece of unpackedTransactions(pieces, name)) {
    const { event } = piece
    if (piece.format !== undefined) {
      yield { type: 'format', event, format: piece.format }
      continue
    }
    if (isNothing(event.type)) continue
    refuseUnreadable(event, name)
    open ??= new OpenUnit(event.begin)
    if (open.addGtid(event)) continue
    const ending = open.add(event)
    // The beginning of an ALTER, and one that failed, have changed nothing.
    if (open.phase === 'start' || open.phase === 'rollback') {
      if (ending !== undefined) open = undefined
      continue
    }
    const whole = open.phase === 'commit' ? withoutPhase(event) : event
    const one = ending === undefined ? { event: whole } : { event: whole, ending }
    bytes += event.bytes.length
    if (held === undefined) yield { type: 'event', ...one }
    else {
      held.push(one)
      if (ending === undefined && bytes < heldBytes) continue
      yield { type: 'begin', unit: open.head(held[0]?.event ?? event, ending) }
      for (const before of held) yield { type: 'event', ...before }
      held = undefined
    }
    if (ending === undefined) continue
    yield { type: 'end', end: event.end }
    open = undefined
    held = []
    bytes = 0
  }
}

const nothing: ReadonlySet<number> = new Set([
  eventType.ROTATE,
  eventType.STOP,
  eventType.IGNORABLE,
  eventType.ROWS_QUERY,
  eventType.PREVIOUS_GTIDS,
  eventType.TRANSACTION_CONTEXT,
  eventType.VIEW_CHANGE,
  eventType.ANNOTATE_ROWS,
  eventType.BINLOG_CHECKPOINT,
  eventType.GTID_LIST,
  eventType.START_ENCRYPTION,
])

function isNothing(type: number): boolean {
  return nothing.has(type) || isHeartbeat(type)
}

const insideUnits: ReadonlySet<number> = new Set([
  eventType.QUERY,
  eventType.QUERY_COMPRESSED,
  eventType.INTVAR,
  eventType.RAND,
  eventType.USER_VAR,
  eventType.XID,
  eventType.BEGIN_LOAD_QUERY,
  eventType.APPEND_BLOCK,
  eventType.EXECUTE_LOAD_QUERY,
  eventType.DELETE_FILE,
  eventType.TABLE_MAP,
  eventType.GTID,
  eventType.ANONYMOUS_GTID,
  eventType.XA_PREPARE,
  eventType.GTID_TAGGED,
  eventType.MARIADB_GTID,
])

function refuseUnreadable(event: ReplayEvent, name: string): void {
  if (isRowsEvent(event.type) || insideUnits.has(event.type)) return
  const place = `binlog ${name} at offset ${event.begin}`
  if (event.type === eventType.INCIDENT) {
    throw new BackupError(`${place}: the server lost changes here (${readIncident(event.body) ?? 'incident'})`, {
      code: 'INCONSISTENT',
      hint: 'Restore to this position and no further, or from a full backup that was made later.',
    })
  }
  throw new BackupError(`${place}: an event ${eventTypeName(event.type)} cannot be replayed`, {
    code: 'UNSUPPORTED',
    hint: 'Restore to this position, and go on by hand with the tools of the server that wrote the log.',
  })
}

/** Finds out, event by event, what a unit is and where it ends. */
class OpenUnit {
  readonly #begin: number
  #gtid: string | undefined
  /** Which half of an ALTER it is. */
  phase: AlterPhase | undefined
  #opening: string | undefined
  #isTransaction = false
  #isXa = false
  #rowsOnly = true
  #events = 0

  constructor(begin: number) {
    this.#begin = begin
  }

  /** Takes a GTID event, which says what follows. */
  addGtid(event: ReplayEvent): boolean {
    if (event.type === eventType.MARIADB_GTID) {
      const found = readMariadbGtid(event.body, event.serverId)
      const xid = found === undefined ? undefined : preparedXid(event.body)
      this.#gtid = found && `${found.gtid.domain}-${found.gtid.server}-${found.gtid.sequence}`
      this.phase = alterPhase(event.body)
      this.#isTransaction = found?.standalone === false
      this.#isXa = this.#isTransaction && xid !== undefined
      if (this.#isTransaction) this.#opening = xid === undefined ? 'BEGIN' : `XA START ${xid}`
      return true
    }
    if (event.type !== eventType.GTID && event.type !== eventType.ANONYMOUS_GTID && event.type !== eventType.GTID_TAGGED) return false
    const found = readMysqlGtid(event.type, event.body)
    if (found?.source !== undefined) this.#gtid = `${found.source}:${found.number}`
    return true
  }

  /** Takes any other event, and says whether it is the last one. */
  add(event: ReplayEvent): UnitEnding | undefined {
    this.#events++
    switch (event.type) {
      case eventType.XID:
        return 'xid'
      case eventType.XA_PREPARE:
        return 'prepare'
      case eventType.QUERY:
      case eventType.QUERY_COMPRESSED:
      case eventType.EXECUTE_LOAD_QUERY:
        return this.#addStatement(event)
    }
    if (event.type === eventType.TABLE_MAP || isRowsEvent(event.type)) this.#isTransaction = true
    else this.#rowsOnly = false
    return undefined
  }

  #addStatement(event: ReplayEvent): UnitEnding | undefined {
    const query = event.type === eventType.EXECUTE_LOAD_QUERY ? undefined : readQuery(event.body, event.type, event.fixedBytes)
    const kind = query === undefined ? 'other' : statementKind(query.statement)
    if (!this.#isTransaction && (kind === 'begin' || kind === 'xa-start')) {
      this.#isTransaction = true
      this.#isXa = kind === 'xa-start'
      return undefined
    }
    if (kind === 'commit' || kind === 'rollback') return kind
    this.#rowsOnly = false
    return this.#isTransaction ? undefined : 'statement'
  }

  /** @param ending `undefined` when it has not ended yet */
  head(first: ReplayEvent, ending: UnitEnding | undefined): UnitHead {
    return {
      begin: this.#begin,
      ...(this.#gtid === undefined ? {} : { gtid: this.#gtid }),
      ...(this.#opening === undefined ? {} : { opening: this.#opening }),
      plain: ending === 'xid' && this.#rowsOnly && !this.#isXa,
      single: ending === 'statement' && this.#events === 1,
      first,
    }
  }
}

const xaFlag = 64
const groupCommitFlag = 2

/** The name of a transaction that an XA PREPARE ends, as XA START wants it. Source: MariaDB "GTID_EVENT". */
function preparedXid(body: Buffer): string | undefined {
  const flags = body[12] ?? 0
  if ((flags & xaFlag) === 0) return undefined
  const at = 13 + ((flags & groupCommitFlag) === 0 ? 0 : 8)
  if (body.length < at + 6) return undefined
  return xidText(body.subarray(at + 6), body[at + 4] ?? 0, body[at + 5] ?? 0, body.readUInt32LE(at))
}

export function xidText(bytes: Buffer, globalBytes: number, branchBytes: number, format: number): string {
  const hex = (begin: number, end: number) => `X'${bytes.toString('hex', begin, end)}'`
  return `${hex(0, globalBytes)},${hex(globalBytes, globalBytes + branchBytes)},${format}`
}
