import type { Problem } from '@backup-planet/core'
import type { MysqlSession } from './mysql-connection.ts'
import { errorNumber } from './mysql-errors.ts'

/**
 * Schema that says when the server was last restored into without its binlogs. It stays, because only the server can tell the next log backup that its
 * binlogs do not lead to the state it has: nothing of such a restore is in them, this schema included.
 */
export const unloggedSchema = 'backup_planet_unlogged'

const table = `${unloggedSchema}.restored`

/** Times by the clock of the server: ISO 8601 in UTC, in milliseconds. */
export interface UnloggedRestore {
  readonly beganAt: string
  /** Left out while it runs, and for one that was cut. */
  readonly endedAt?: string
}

/** To be called before the first change, in a session that writes no binlog. */
export async function noteUnloggedBegin(session: MysqlSession): Promise<void> {
  const during = 'noting that the restore is not in the binlogs'
  await session.run(`CREATE DATABASE IF NOT EXISTS ${unloggedSchema}`, during)
  await session.run(
    `CREATE TABLE IF NOT EXISTS ${table} (id INT NOT NULL PRIMARY KEY, began_at DATETIME(3) NOT NULL, ended_at DATETIME(3) NULL) ENGINE=InnoDB`,
    during,
  )
  await session.run(`REPLACE INTO ${table} VALUES (1, UTC_TIMESTAMP(3), NULL)`, during)
}

/** To be called behind the last change, in such a session. */
export async function noteUnloggedEnd(session: MysqlSession): Promise<void> {
  await session.run(`UPDATE ${table} SET ended_at = UTC_TIMESTAMP(3)`, 'noting that the restore has ended')
}

/** The last one; `undefined` where there was none that the account can see. */
export async function readUnloggedRestore(session: Pick<MysqlSession, 'rows'>): Promise<UnloggedRestore | undefined> {
  const time = (column: string) => `DATE_FORMAT(${column}, '%Y-%m-%dT%H:%i:%s.%f') AS ${column}`
  try {
    const [row] = await session.rows(
      `SELECT ${time('began_at')}, ${time('ended_at')} FROM ${table}`,
      'looking for a restore that is not in the binlogs',
    )
    if (row === undefined) return undefined
    const ended = row.nullable('ended_at')
    return { beganAt: isoTime(row.text('began_at')), ...(ended === undefined ? {} : { endedAt: isoTime(ended) }) }
  } catch (error) {
    // ER_DBACCESS_DENIED_ERROR, ER_BAD_DB_ERROR, ER_TABLEACCESS_DENIED_ERROR, ER_NO_SUCH_TABLE
    if ([1044, 1049, 1142, 1146].includes(errorNumber(error) ?? 0)) return undefined
    throw error
  }
}

/** Why binlogs do not go on from a backup of this moment, as a clause; `undefined` where such a restore says nothing against it. */
export function unloggedSince(restored: UnloggedRestore | undefined, consistentAt: string): string | undefined {
  if (restored === undefined) return undefined
  const { beganAt, endedAt } = restored
  if (endedAt === undefined) {
    return `a restore that is not written to the binlogs began at ${beganAt} and has not ended (end it, or run DROP DATABASE IF EXISTS ${unloggedSchema} when it is given up)`
  }
  if (Date.parse(consistentAt) > Date.parse(endedAt)) return undefined
  return `a restore that was not written to the binlogs ended at ${endedAt}`
}

/** What a plan says of a restore that is kept out of the binlogs of a server that has some. */
export const unloggedWarning: Problem = {
  severity: 'warning',
  code: 'INCONSISTENT',
  message: `the restore is not written to the binlogs of the target: its log backups do not go on across it, and schema ${unloggedSchema} stays there to say so`,
  hint: 'Make a full backup of the target afterwards; the next log backup becomes one by itself. Leave out binlog: false if replicas may follow.',
}

/** @param text with microseconds */
function isoTime(text: string): string {
  return `${text.slice(0, 23)}Z`
}
