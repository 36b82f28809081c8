import { endsStatement } from '../binlog/binlog-event.ts'
import { eventType, isRowsEvent } from '../binlog/binlog-event-type.ts'
import { withStatementEnd } from './log-replay-edits.ts'
import type { ReplayEvent } from './log-replay-events.ts'

/**
 * Passes on the events of one transaction, with the rows of a long statement cut into several: each piece names its tables anew and ends
 * like a statement, since what is sent at once must fit into `max_allowed_packet` of the target. The transaction around them stays one.
 */
export class RowPieces {
  readonly #pieceBytes: number
  #tables: ReplayEvent[] = []
  /** Rows that are not passed on yet, because they may have to end a piece. */
  #pending: ReplayEvent | undefined
  #bytes = 0

  constructor(pieceBytes: number) {
    this.#pieceBytes = pieceBytes
  }

  pass(event: ReplayEvent): readonly ReplayEvent[] {
    if (!isRowsEvent(event.type)) {
      if (event.type === eventType.TABLE_MAP) this.#tables.push(event)
      // A statement that takes numbers from a sequence names its tables one after the other, with rows between.
      const before = this.#pending
      this.#pending = undefined
      return before === undefined ? [event] : [before, event]
    }
    const passed: ReplayEvent[] = []
    if (this.#pending !== undefined && this.#bytes + event.bytes.length > this.#pieceBytes) {
      passed.push(withStatementEnd(this.#pending), ...this.#tables)
      this.#bytes = 0
    } else if (this.#pending !== undefined) passed.push(this.#pending)
    this.#pending = event
    this.#bytes += event.bytes.length
    if (!endsStatement(event.body, event.fixedBytes)) return passed
    this.#pending = undefined
    this.#tables = []
    this.#bytes = 0
    return [...passed, event]
  }
}
