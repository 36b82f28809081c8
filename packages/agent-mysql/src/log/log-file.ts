import type { BinlogFacts } from '../binlog/binlog-scan.ts'
import type { BinlogFileFacts } from '../dump-layout.ts'

/** A file of the log as it will lie in the backup. */
export interface LogFile {
  /** Name in the item. */
  readonly file: string
  readonly binlog: string
  /** Where the events of a part begin on the server; left out for a whole binlog. */
  readonly begin?: number
  /** GTIDs before a part, and what the beginning of its binlog says; left out for what begins with it. */
  readonly gtidBefore?: string | undefined
  readonly identity?: string | undefined
  readonly createdAt?: string | undefined
  readonly bytes: number
}

/** What the layout says of it, from what was found in it. */
export function binlogFileFacts(part: LogFile, facts: BinlogFacts, sha256: string): BinlogFileFacts {
  const { file, binlog, begin } = part
  const { identity = facts.identity, createdAt = facts.createdAt } = part
  const { to, bytes, serverVersion, transactions, firstAt, lastAt, firstGtid, lastGtid, gtidBefore, gtidAfter, ends } = facts
  return {
    file,
    binlog,
    from: begin ?? 0,
    to,
    bytes,
    sha256,
    serverVersion,
    ...(createdAt === undefined ? {} : { createdAt }),
    identity,
    transactions,
    ...(firstAt === undefined ? {} : { firstAt }),
    ...(lastAt === undefined ? {} : { lastAt }),
    ...(firstGtid === undefined ? {} : { firstGtid }),
    ...(lastGtid === undefined ? {} : { lastGtid }),
    ...(gtidBefore === undefined ? {} : { gtidBefore }),
    ...(gtidAfter === undefined ? {} : { gtidAfter }),
    ends,
  }
}
