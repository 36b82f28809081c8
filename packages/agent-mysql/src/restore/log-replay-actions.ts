import { type FormatDescription, readQuery } from '../binlog/binlog-event.ts'
import { eventType } from '../binlog/binlog-event-type.ts'
import type { ReplayEvent } from './log-replay-events.ts'
import { begunMark, doneMark, temporaryMark } from './log-replay-marks.ts'
import { unpackedRows } from './log-replay-packed.ts'
import { RowPieces } from './log-replay-rows.ts'
import type { UnitEnding, UnitHead, UnitPiece } from './log-replay-units.ts'

/** What is to be done on the target, in order. */
export type ReplayAction =
  | { readonly type: 'format'; readonly event: ReplayEvent; readonly format: FormatDescription }
  /** Statements of ours, with the time and server of what they stand beside. */
  | { readonly type: 'own'; readonly sql: string; readonly beside: ReplayEvent }
  /** The statement of a QUERY between statements of ours, to be sent at once: who is cut off has sent all of them or none. */
  | { readonly type: 'between'; readonly before: string; readonly event: ReplayEvent; readonly after: string }
  | { readonly type: 'event'; readonly event: ReplayEvent; readonly ending?: UnitEnding }
  /** Nothing is open here: what stands before can be sent, and what comes next can be sent alone. */
  | { readonly type: 'boundary' }

/**
 * Turns units into what is to be done, with the marks of the journal where they are committed together with what they say. GTIDs are left out, so that
 * the target gives its own: its history is another one, and a server that knows a GTID already would pass over the transaction without a word.
 *
 * @param log number of the log in the order of the replay
 * @param pieceBytes about as many bytes of rows are applied by one statement at most
 */
export async function* replayActions(
  units: AsyncIterable<UnitPiece>,
  log: number,
  pieceBytes: number,
): AsyncGenerator<ReplayAction, void, void> {
  let unit: UnitHead | undefined
  let rows = new RowPieces(pieceBytes)
  for await (const piece of units) {
    switch (piece.type) {
      case 'format':
        yield piece
        break
      case 'begin':
        unit = piece.unit
        rows = new RowPieces(pieceBytes)
        yield { type: 'boundary' }
        yield* opening(unit)
        break
      case 'event':
        if (piece.ending === undefined) yield* inside(piece.event, rows)
        else if (unit !== undefined) yield* ending(unit, piece.event, piece.ending, log)
        break
      case 'end':
        unit = undefined
        yield { type: 'boundary' }
    }
  }
}

function* opening({ plain, single, opening, first }: UnitHead): Generator<ReplayAction, void, void> {
  if (!plain && !single) yield { type: 'own', sql: `${begunMark};COMMIT`, beside: first }
  if (opening !== undefined) yield { type: 'own', sql: opening, beside: first }
}

function* inside(event: ReplayEvent, rows: RowPieces): Generator<ReplayAction, void, void> {
  if (createsTemporaryTable(event)) yield { type: 'own', sql: temporaryMark, beside: event }
  for (const one of rows.pass(unpackedRows(event))) yield { type: 'event', event: one }
}

function* ending(unit: UnitHead, event: ReplayEvent, ends: UnitEnding, log: number): Generator<ReplayAction, void, void> {
  const done = doneMark(log, event.end)
  const temporary = createsTemporaryTable(event) ? `${temporaryMark};` : ''
  if (unit.single) {
    yield { type: 'between', before: `${temporary}${begunMark};COMMIT;\n`, event, after: `\n;${done};COMMIT` }
  } else if (ends === 'xid' || ends === 'commit') {
    yield { type: 'own', sql: done, beside: event }
    yield { type: 'event', event, ending: ends }
  } else {
    if (temporary !== '') yield { type: 'own', sql: temporaryMark, beside: event }
    yield { type: 'event', event, ending: ends }
    yield { type: 'own', sql: `${done};COMMIT`, beside: event }
  }
}

const temporary = /\bTEMPORARY\b/i

/** Whether a statement may make a temporary table, which lives only as long as its session. Rather too often than not. */
function createsTemporaryTable(event: ReplayEvent): boolean {
  if (event.type !== eventType.QUERY && event.type !== eventType.QUERY_COMPRESSED) return false
  const statement = readQuery(event.body, event.type, event.fixedBytes)?.statement.toString('latin1', 0, 1024) ?? ''
  return temporary.test(statement) && !/^\s*DROP\b/i.test(statement)
}
