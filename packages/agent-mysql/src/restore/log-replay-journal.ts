import { BackupError } from '@backup-planet/core'
import type { MysqlSession } from '../mysql-connection.ts'
import { replayTable } from './log-replay-marks.ts'
import type { ReplayPlace } from './log-replay-sources.ts'
import { abandonHint } from './restore-journal.ts'

/** How far a replay has come, as its own statements have kept it. */
export interface ReplayState extends ReplayPlace {
  /** Something has begun behind the place that is not rolled back as a whole. */
  readonly begun: boolean
  /** Temporary tables lived in the session that is gone. */
  readonly temporaryTables: boolean
}

/** `undefined` before a replay has begun. */
export async function readReplayState(session: MysqlSession): Promise<ReplayState | undefined> {
  const [table] = await session.rows(
    `SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${replayTable.split('.')[0]}' AND TABLE_NAME = 'replay'`,
    'looking how far the replay of the logs had come',
  )
  if (table === undefined) return undefined
  const [row] = await session.rows(
    `SELECT log_number, log_offset, begun, temporary_tables FROM ${replayTable} WHERE id = 1`,
    'reading how far the replay of the logs had come',
  )
  if (row === undefined) return undefined
  return {
    log: row.number('log_number'),
    offset: row.number('log_offset'),
    begun: row.number('begun') === 1,
    temporaryTables: row.number('temporary_tables') === 1,
  }
}

export async function createReplayState(session: MysqlSession, begin: ReplayPlace): Promise<ReplayState> {
  const during = 'preparing the journal for the logs'
  await session.run(`DROP TABLE IF EXISTS ${replayTable}`, during)
  await session.run(
    `CREATE TABLE ${replayTable} (id TINYINT NOT NULL PRIMARY KEY, log_number INT UNSIGNED NOT NULL, log_offset BIGINT UNSIGNED NOT NULL, begun TINYINT NOT NULL, temporary_tables TINYINT NOT NULL) ENGINE=InnoDB`,
    during,
  )
  await session.run(`INSERT INTO ${replayTable} VALUES (1, ${begin.log}, ${begin.offset}, 0, 0)`, during)
  return { ...begin, begun: false, temporaryTables: false }
}

/** The server of the source was started here: no session of before had gone on. */
export async function forgetTemporaryTables(session: MysqlSession): Promise<void> {
  await session.run(`UPDATE ${replayTable} SET temporary_tables = 0 WHERE id = 1`, 'noting that the source was started anew')
}

/** A session that replays holds this lock: whoever wants to know how far it came waits until it is gone. */
export const replayLock = 'backup_planet_restore.replay'

/** The first statement of a session that replays; it fails when another one is still there. */
export const takeReplayLock = `DO IF(GET_LOCK('${replayLock}', 10) = 1, 1, (SELECT 1 UNION SELECT 2))`

const goneWithinSeconds = 60

/** Waits until no session replays any more. Throws `CONFLICT` when one goes on for long. */
export async function waitForReplayEnd(session: MysqlSession): Promise<void> {
  const [row] = await session.rows(
    `SELECT GET_LOCK('${replayLock}', ${goneWithinSeconds}) AS held`,
    'waiting for the session of an earlier replay to end',
  )
  if (row?.nullable('held') === '1') return await session.run(`DO RELEASE_LOCK('${replayLock}')`)
  throw new BackupError('a session of an earlier run still replays a statement of the logs', {
    code: 'CONFLICT',
    hint: 'Wait until it has ended, which SHOW PROCESSLIST on the target shows, then execute the same plan again.',
  })
}

/** Number of the session that replays now. */
export async function replaySession(session: MysqlSession): Promise<number | undefined> {
  const [row] = await session.rows(`SELECT IS_USED_LOCK('${replayLock}') AS id`, 'looking for the session that replays')
  const id = Number(row?.nullable('id') ?? 0)
  return id > 0 ? id : undefined
}

/** What was cut off where nobody can know how far it came. */
export function cannotResume(what: string): BackupError {
  return new BackupError(`the replay of the logs cannot go on where it was cut: ${what}`, {
    code: 'CONFLICT',
    hint: `Restore anew. ${abandonHint}`,
  })
}
