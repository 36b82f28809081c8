import { BackupError, type Problem } from '@backup-planet/core'
import type { MysqlSession } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import type { ServerRow } from '../mysql-rows.ts'

/** XA transactions that are prepared and neither committed nor rolled back, each by a text of its own; none where the account may not see them. */
export async function readPreparedXa(session: Pick<MysqlSession, 'rows'>): Promise<readonly string[]> {
  const rows = await recoverRows(session, 'looking for prepared XA transactions')
  return rows.map((row) => [0, 1, 2, 3].map((index) => Buffer.from(row.bytes(index) ?? []).toString('hex')).join(':'))
}

/** What XA RECOVER lists; nothing where the account may not see it. */
export async function recoverRows(session: Pick<MysqlSession, 'rows'>, during: string): Promise<readonly ServerRow[]> {
  try {
    return await session.rows('XA RECOVER', during)
  } catch (error) {
    // Without XA_RECOVER_ADMIN MySQL 8 says ER_XAER_RMERR, and only SHOW WARNINGS the right that is missing.
    if (BackupError.is(error) && (error.code === 'ACCESS_DENIED' || errorNumber(error) === 1401)) return []
    throw error
  }
}

/** @param prepared at the moment of a full backup, or about then */
export function preparedXaProblems(prepared: readonly string[]): readonly Problem[] {
  const count = new Set(prepared).size
  if (count === 0) return []
  return [
    {
      severity: 'warning',
      code: 'INCONSISTENT',
      message: `${count === 1 ? '1 XA transaction was prepared' : `${count} XA transactions were prepared`} at the moment of this full: what these change is not in it, and logs that hold only an XA COMMIT of theirs cannot be replayed beyond it`,
      hint: 'Have the coordinator end what XA RECOVER shows, then make another full: restores to later moments should begin with that.',
    },
  ]
}
