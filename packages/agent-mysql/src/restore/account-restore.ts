import { BackupError, type Problem } from '@backup-planet/core'
import type { DumpAccount } from '../dump-layout.ts'
import type { MysqlConnection } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import { quoteText } from '../mysql-quoting.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { systemAccounts } from '../system-accounts.ts'
import { checkAccountStatements } from './create-statement-guard.ts'
import { checkGrantStatement } from './grant-guard.ts'
import type { RestoreJournal } from './restore-journal.ts'
import type { MysqlRestoreOptions } from './restore-options.ts'
import { renameGrant } from './statement-rewrite.ts'

export interface AccountRestoreContext {
  readonly connection: MysqlConnection
  readonly server: ServerFacts
  readonly journal: RestoreJournal
  readonly restore: MysqlRestoreOptions
  readonly rename: ReadonlyMap<string, string>
  readonly item: string
  problem(problem: Problem): void
}

/** ER_NO_SUCH_TABLE, ER_BAD_DB_ERROR, ER_SP_DOES_NOT_EXIST, ER_BAD_FIELD_ERROR. */
const missingObject: ReadonlySet<number> = new Set([1146, 1049, 1305, 1054])

/** MariaDB: whoever logs in; it is there without being created, and what it is granted changes the rights of all accounts. */
const everybody = 'PUBLIC@'

/** Checks every statement of the accounts. Throws `CORRUPTED`; changes nothing. */
export function checkAccounts(accounts: readonly DumpAccount[]): void {
  for (const account of accounts) {
    if (account.user !== 'PUBLIC' || account.kind !== 'role') checkAccountStatements(account)
    for (const grant of account.grants) checkGrantStatement(account, grant)
  }
}

/** Creates users, then roles; they get their grants once everything that can be granted is there. */
export async function createAccounts(accounts: readonly DumpAccount[], context: AccountRestoreContext): Promise<void> {
  const existing = await existingAccounts(context.connection)
  const current = await currentAccount(context.connection)
  for (const account of [...accounts].sort((a, b) => Number(a.kind === 'role') - Number(b.kind === 'role'))) {
    const name = accountName(account)
    const isOwn = systemAccounts.has(name) || name === everybody || name === current
    if (name === everybody) {
      if (context.restore.users === 'skip') await skip(name, context)
      continue
    }
    await context.journal.once(context.connection, [context.item, 'account', name], async () => {
      // A mark says that a run of ours has begun to create it: it may be there because of us.
      const begun = context.journal.isDone(context.item, 'account begun', name)
      const there = existing.has(name)
      if (there && !begun) {
        if (isOwn || context.restore.users === 'skip') return await skip(name, context)
        if (context.restore.users === 'create') throw alreadyThere(name)
      }
      await context.journal.once(context.connection, [context.item, 'account begun', name], async () => undefined)
      if (there) await context.connection.run(`DROP ${account.kind.toUpperCase()} ${quoteParts(account)}`, `dropping account ${name}`)
      await context.connection.run(account.create, `creating account ${name}`)
      if (account.alter !== undefined) await context.connection.run(account.alter, `setting how long passwords of account ${name} last`)
    })
  }
}

/** Grants of the accounts that were created here; those of skipped accounts stay as they are. */
export async function grantAccounts(accounts: readonly DumpAccount[], context: AccountRestoreContext): Promise<void> {
  for (const account of [...accounts].sort((a, b) => Number(a.kind === 'user') - Number(b.kind === 'user'))) {
    const name = accountName(account)
    const isWanted = name === everybody ? context.restore.users !== 'skip' : context.journal.isDone(context.item, 'account begun', name)
    if (!isWanted) continue
    await context.journal.once(context.connection, [context.item, 'grants', name], async () => {
      for (const grant of account.grants) {
        const checked = checkGrantStatement(account, grant)
        const sql = renameGrant(checked.sql, checked.tokens, context.rename)
        try {
          await context.connection.run(sql, `granting to ${name}`)
        } catch (error) {
          if (!BackupError.is(error) || !missingObject.has(errorNumber(error) ?? 0)) throw error
          context.problem({
            severity: 'warning',
            code: 'NOT_FOUND',
            item: context.item,
            message: `a grant of ${name} was left out: ${error.message}`,
            hint: 'What it is granted on is not on the target; restore that too, then run the grant from users.sql.',
          })
        }
      }
    })
  }
}

async function skip(name: string, context: AccountRestoreContext): Promise<void> {
  context.problem({
    severity: 'warning',
    code: 'ALREADY_EXISTS',
    item: context.item,
    message: `account ${name} exists on the target and was left as it is`,
    hint: 'Restore with the option users set to replace if it must become as it was in the backup.',
  })
}

function alreadyThere(name: string): BackupError {
  return new BackupError(`account ${name} exists on the target`, {
    code: 'ALREADY_EXISTS',
    hint: 'Drop it, or set the option users to skip or replace.',
  })
}

/** `user@host`; a role is `name@`. */
export function accountName(account: { readonly user: string; readonly host: string }): string {
  return `${account.user}@${account.host}`
}

function quoteParts(account: DumpAccount): string {
  return account.kind === 'role' && account.host === '' ? quoteText(account.user) : `${quoteText(account.user)}@${quoteText(account.host)}`
}

export async function existingAccounts(connection: Pick<MysqlConnection, 'rows'>): Promise<ReadonlySet<string>> {
  const rows = await connection.rows('SELECT user AS user, host AS host FROM mysql.user', 'listing the accounts of the target')
  return new Set(rows.map((row) => `${row.text('user')}@${row.text('host')}`))
}

async function currentAccount(connection: MysqlConnection): Promise<string> {
  const [row] = await connection.rows('SELECT CURRENT_USER() AS account', 'asking for the own account')
  return row?.text('account') ?? ''
}
