import type { DumpAccount } from '../dump-layout.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { quoteIdentifier, quoteText } from '../mysql-quoting.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { grantWithoutPassword } from '../restore/grant-guard.ts'
import { applyEdits, significantTokens, tokenizeSql } from '../restore/sql-tokenizer.ts'
import { systemAccounts } from '../system-accounts.ts'

/** Users and roles with their grants. The statements hold password hashes. */
export async function readAccounts(session: MysqlSession, server: ServerFacts, systemUsers: boolean): Promise<readonly DumpAccount[]> {
  const mariadb = server.flavour === 'mariadb'
  const rolesAreMarked = mariadb && server.supports.roles
  const listed = await session.rows(
    rolesAreMarked
      ? 'SELECT user, host, is_role FROM mysql.user ORDER BY user, host'
      : "SELECT user, host, 'N' AS is_role FROM mysql.user ORDER BY user, host",
    'listing the accounts',
  )
  const accounts: DumpAccount[] = []
  for (const row of listed) {
    const user = row.text('user')
    const host = row.text('host')
    if (!systemUsers && systemAccounts.has(`${user}@${host}`)) continue
    const role = row.text('is_role') === 'Y'
    const account = role ? quoteIdentifier(user) : `${quoteText(user)}@${quoteText(host)}`
    // What everybody may do is granted to PUBLIC (MariaDB 10.11), which is always there and cannot be created.
    const everybody = role && user === 'PUBLIC'
    const created = everybody ? { create: '' } : role ? { create: `CREATE ROLE ${account}` } : await showCreateUser(session, account)
    const { create, alter, defaultRole } = { alter: undefined, defaultRole: undefined, ...created }
    const grants = await session.rows(`SHOW GRANTS FOR ${account}`, `reading the grants of ${account}`)
    const lines = grants.map((grant) => grant.at(0) ?? '').filter((line) => !role || isOfRole(line, user))
    accounts.push({
      type: 'account',
      kind: role ? 'role' : 'user',
      user,
      host: role ? '' : host,
      create,
      ...(alter === undefined ? {} : { alter }),
      grants: orderedGrants(defaultRole === undefined ? lines : [...lines, `SET DEFAULT ROLE ${defaultRole} TO ${account}`]),
    })
  }
  return accounts
}

interface CreatedUser {
  readonly create: string
  readonly alter?: string | undefined
  readonly defaultRole?: string | undefined
}

async function showCreateUser(session: MysqlSession, account: string): Promise<CreatedUser> {
  const [created, altered] = await session.rows(`SHOW CREATE USER ${account}`, `reading account ${account}`)
  return { ...withoutDefaultRole(created?.at(0) ?? ''), alter: altered?.at(0) }
}

/** MySQL 8 prints DEFAULT ROLE within CREATE USER, where it asks for roles that may not be there yet (8.4 manual, "CREATE USER Statement"). */
function withoutDefaultRole(create: string): CreatedUser {
  const tokens = significantTokens(tokenizeSql(create))
  const isWord = (index: number, word: string): boolean => tokens[index]?.type === 'word' && tokens[index].word === word
  const place = tokens.findIndex((_, index) => isWord(index, 'DEFAULT') && isWord(index + 1, 'ROLE'))
  const [begin, first] = [tokens[place], tokens[place + 2]]
  if (place < 0 || begin === undefined || first === undefined) return { create }
  const next = tokens.slice(place + 2).find((token) => token.type === 'word' && !token.word.startsWith('@'))
  const end = next?.begin ?? create.length
  return {
    create: applyEdits(create, [{ begin: begin.begin, end, text: '' }]).trimEnd(),
    defaultRole: create.slice(first.begin, end).trimEnd(),
  }
}

/** SHOW GRANTS of a MariaDB role prints the grants of the roles it holds as well. */
function isOfRole(line: string, role: string): boolean {
  if (role === 'PUBLIC') return / TO `?PUBLIC`?(?: |$)/.test(line)
  return new RegExp(` TO ${escapeExpression(quoteIdentifier(role))}(?:@\`\`)?(?: |$)`).test(line)
}

function escapeExpression(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

/** Granted roles, then privileges, then the default role, which must be granted before. */
export function orderedGrants(lines: readonly string[]): readonly string[] {
  const rank = (line: string): number => (/^SET DEFAULT ROLE/i.test(line) ? 2 : / ON /i.test(line) ? 1 : 0)
  return [...lines].sort((a, b) => rank(a) - rank(b))
}

/** All accounts as SQL for a hand: users, then roles, then what is granted to them. The passwords of accounts that are there already stay as they are. */
export function accountsSql(accounts: readonly DumpAccount[]): string {
  const create = (account: DumpAccount): string =>
    account.create.replace(/^CREATE (USER|ROLE) (?!IF NOT EXISTS)/i, 'CREATE $1 IF NOT EXISTS ')
  const users = accounts
    .filter((account) => account.kind === 'user')
    .flatMap((account) => [create(account), ...(account.alter === undefined ? [] : [account.alter])])
  const roles = accounts.filter((account) => account.kind === 'role' && account.create !== '').map(create)
  const grants = [...accounts]
    .sort((a, b) => Number(a.kind === 'user') - Number(b.kind === 'user'))
    .flatMap((account) => account.grants.map((grant) => grantWithoutPassword(grant) ?? grant))
  return [...users, ...roles, ...grants].map((statement) => `${statement};\n`).join('')
}
