import { parseBinlogName } from '../binlog/binlog-name.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import type { ServerRow } from '../mysql-rows.ts'

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
