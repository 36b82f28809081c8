import { eventType } from '../binlog/binlog-event-type.ts'
import { withBody } from './log-replay-edits.ts'
import type { ReplayEvent } from './log-replay-events.ts'
import { queryFixedBytes, queryParts } from './log-replay-query.ts'
import { statusBytes } from './log-replay-status.ts'

/** With `binlog_alter_two_phase` (MariaDB 10.8) an ALTER is logged when it begins, and again when it has ended. */
export type AlterPhase = 'start' | 'commit' | 'rollback'

const groupCommitFlag = 2
const xaFlags = 64 | 128
const phases: readonly (readonly [flag: number, phase: AlterPhase])[] = [
  [2, 'start'],
  [4, 'commit'],
  [8, 'rollback'],
]

/**
 * What a GTID event of MariaDB says of the ALTER that follows it: sequence, domain, flags, the number of the group commit and the name of an XA transaction where
 * there are some, then a byte of further flags. Source: MariaDB `Gtid_log_event`, sql/log_event.h. `undefined` for what is no half of an ALTER.
 *
 * @param body without header and checksum
 */
export function alterPhase(body: Buffer): AlterPhase | undefined {
  const flags = body[12] ?? 0
  let at = 13 + ((flags & groupCommitFlag) === 0 ? 0 : 8)
  if ((flags & xaFlags) !== 0) at += 6 + (body[at + 4] ?? 0) + (body[at + 5] ?? 0)
  const more = body[at] ?? 0
  return phases.find(([flag]) => (more & flag) !== 0)?.[1]
}

/** Status variable of a QUERY that makes it a half of an ALTER. */
const alterCode = 130

/** The same statement as one that was logged at once: tools print it as it is, and servers do not wait for another half. */
export function withoutPhase(event: ReplayEvent): ReplayEvent {
  const { body, fixedBytes, type } = event
  if ((type !== eventType.QUERY && type !== eventType.QUERY_COMPRESSED) || fixedBytes < queryFixedBytes) return event
  const { head } = queryParts(event)
  const length = body.readUInt16LE(11)
  const status = head.subarray(fixedBytes, fixedBytes + length)
  for (let at = 0; at < status.length; ) {
    const code = status[at] ?? 0
    const bytes = statusBytes(code, status, at + 1, true)
    if (bytes === undefined) return event
    if (code !== alterCode) {
      at += 1 + bytes
      continue
    }
    const fixed = Buffer.from(head.subarray(0, fixedBytes))
    fixed.writeUInt16LE(length - 1 - bytes, 11)
    const behind = body.subarray(fixedBytes + at + 1 + bytes)
    return withBody(event, type, [fixed, status.subarray(0, at), behind])
  }
  return event
}
