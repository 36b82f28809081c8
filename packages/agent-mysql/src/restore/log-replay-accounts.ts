import { accountsItem } from '../dump-layout.ts'
import type { MysqlConnection } from '../mysql-connection.ts'
import { systemAccounts } from '../system-accounts.ts'
import { existingAccounts } from './account-restore.ts'
import type { LogChoice } from './log-replay-choice.ts'
import type { RestoreJournal } from './restore-journal.ts'
import type { MysqlRestoreOptions } from './restore-options.ts'

/** MariaDB: whoever logs in. */
const everybody = 'PUBLIC@'

/**
 * The accounts that logs must leave as they are: those of the server itself, the one that restores, and with `users: skip` all that were there before the
 * restore. The journal keeps which those are, since a replay that was cut may have created others.
 */
export async function accountsLeftAlone(
  connection: MysqlConnection,
  journal: RestoreJournal,
  users: MysqlRestoreOptions['users'],
): Promise<LogChoice['accountsLeftAlone']> {
  if (users === 'none') return 'all'
  const existing = await existingAccounts(connection)
  const mark = (account: string) => [accountsItem, 'account left alone', account] as const
  await journal.once(connection, [accountsItem, 'accounts before the logs'], async () => {
    for (const account of existing) {
      if (journal.isDone(accountsItem, 'account begun', account)) continue
      await journal.once(connection, mark(account), async () => undefined)
    }
  })
  const [own] = await connection.rows('SELECT CURRENT_USER() AS account', 'asking for the own account')
  const before = users === 'skip' ? [...existing].filter((account) => journal.isDone(...mark(account))) : []
  return new Set([...systemAccounts, everybody, own?.text('account') ?? '', ...before])
}
