import { BackupError } from '@backup-planet/core'
import { eventType } from '../binlog/binlog-event-type.ts'
import { shownStatement } from '../binlog/statement-text.ts'
import type { ReplayAction } from './log-replay-actions.ts'
import { halfDoneHint, interrupted, loadHint } from './log-replay-interrupted.ts'
import { queryParts } from './log-replay-query.ts'
import { refusedFor } from './log-replay-way.ts'

/** What the client takes for an end of a statement in the output of the tools, and the only command that it obeys in binary mode besides. */
const misread = /\/\*!\*\/|^\s*delimiter\b/im

/**
 * Throws `UNSUPPORTED` for what the tools cannot hand on as it was: a text that the client would cut in two, files of LOAD DATA (a log must not make a client
 * read files), and statements that failed on the source and must fail here in the same way.
 */
export function refuseForClient(action: ReplayAction, name: string): void {
  if (action.type !== 'event' && action.type !== 'between') return
  const { event } = action
  const place = `binlog ${name} at offset ${event.begin}`
  if (event.type === eventType.BEGIN_LOAD_QUERY || event.type === eventType.EXECUTE_LOAD_QUERY || event.type === eventType.APPEND_BLOCK) {
    throw new BackupError(`${place}: LOAD DATA was logged as a statement with its file, which is not handed to a client`, {
      code: 'UNSUPPORTED',
      hint: loadHint,
    })
  }
  if (event.type !== eventType.QUERY && event.type !== eventType.QUERY_COMPRESSED) return
  const { statement } = queryParts(event)
  const error = event.body.readUInt16LE(9)
  const failed = `${place}: ${shownStatement(statement)} ended with error ${error} on the source, which the client would stop at`
  if (interrupted.has(error)) throw new BackupError(failed, { code: 'UNSUPPORTED', hint: halfDoneHint })
  if (error !== 0) throw refusedFor('statements', failed)
  if (misread.test(statement.toString('latin1'))) {
    throw refusedFor(
      'statements',
      `${place}: ${shownStatement(statement)} holds text that the client would take for the end of a statement`,
    )
  }
}
