import type { Problem } from '@backup-planet/core'
import { recoverRows } from '../dump/prepared-xa.ts'
import { binlogItem } from '../dump-layout.ts'
import type { MysqlSession } from '../mysql-connection.ts'

/** What is said of XA transactions that are prepared where a replay has ended; nothing without them. */
export async function preparedTransactions(session: MysqlSession): Promise<readonly Problem[]> {
  const prepared = await recoverRows(session, 'looking for prepared transactions')
  if (prepared.length === 0) return []
  return [
    {
      severity: 'warning',
      code: 'INCONSISTENT',
      item: binlogItem,
      message: `${prepared.length} XA transactions are prepared on the target, as they were on the source at that moment`,
      hint: 'XA RECOVER lists them; end each with XA COMMIT or XA ROLLBACK. Until then they hold their locks.',
    },
  ]
}
