import type { Position } from '@backup-planet/core'
import { parseBinlogName } from '../binlog/binlog-name.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import { quoteText } from '../mysql-quoting.ts'
import type { ServerRow } from '../mysql-rows.ts'
import type { BinlogPosition } from '../mysql-server.ts'

/** One binlog file that the server still has. */
export interface ServerBinlog {
  readonly name: string
  /** As the server lists it; of the file that is written to, what it was at that moment. */
  readonly bytes: number
  /** The file itself is ciphertext; the server sends it decrypted. MySQL tells it for each file, MariaDB for none. */
  readonly encrypted?: boolean
}

/**
 * SHOW BINARY LOGS, oldest first: `Log_name` and `File_size`, with `Encrypted` from MySQL 8.0.14 on. The last one is written to. Throws `ACCESS_DENIED`
 * without REPLICATION CLIENT (MariaDB: BINLOG MONITOR).
 */
export async function listBinlogs(session: MysqlSession): Promise<readonly ServerBinlog[]> {
  let rows: readonly ServerRow[]
  try {
    rows = await session.rows('SHOW BINARY LOGS', 'listing the binlogs')
  } catch (error) {
    // ER_NO_BINARY_LOGGING
    if (errorNumber(error) === 1381) return []
    throw error
  }
  return rows.map((row) => ({
    name: row.text('log_name'),
    bytes: row.number('file_size'),
    ...(row.has('encrypted') ? { encrypted: row.text('encrypted').toLowerCase() === 'yes' } : {}),
  }))
}

/** What the server leaves out of its binlogs (`binlog_do_db`, `binlog_ignore_db`), as its status shows it; empty when nothing is. */
export function binlogFilters(status: ServerRow | undefined): readonly { readonly option: string; readonly schemas: string }[] {
  const filters = ['binlog_do_db', 'binlog_ignore_db'].map((option) => ({
    option,
    schemas: status?.has(option) === true ? (status.nullable(option) ?? '') : '',
  }))
  return filters.filter(({ schemas }) => schemas !== '')
}

/** Whether the server began `next` when it ended `name`. */
export function followsBinlog(next: string, name: string): boolean {
  const [after, before] = [parseBinlogName(next), parseBinlogName(name)]
  return after !== undefined && before !== undefined && after.base === before.base && after.number === before.number + 1n
}

/** What a binlog may begin with before anything is written to it: names of events as SHOW BINLOG EVENTS prints them, in both flavours. */
const headEvents: ReadonlySet<string> = new Set(['Format_desc', 'Previous_gtids', 'Gtid_list', 'Binlog_checkpoint', 'Start_encryption'])
/** More than the head of a binlog has, unless its GTID set is very large: then an unneeded file is begun. */
const mostHeadBytes = 16_384
const mostHeadEvents = 100

/** Whether anything was written between two places, of which the later one is in the binlog that is written to. */
export async function isWrittenSince(session: MysqlSession, { value }: Position, now: BinlogPosition): Promise<boolean> {
  const { file, offset = '' } = value
  if (file !== now.file) return true
  const [from, to] = [Number(offset), Number(now.offset)]
  if (from === to) return false
  if (!(from >= 4 && to - from <= mostHeadBytes)) return true
  try {
    const sql = `SHOW BINLOG EVENTS IN ${quoteText(now.file)} FROM ${from} LIMIT ${mostHeadEvents}`
    const events = await session.rows(sql, 'looking whether anything was written')
    const before = events.filter((event) => event.number('pos') < to)
    return before.length === mostHeadEvents || before.some((event) => !headEvents.has(event.text('event_type')))
  } catch (error) {
    // It may be no statement for this account; then a file is begun that may not have been needed.
    if (errorNumber(error) === undefined) throw error
    return true
  }
}
