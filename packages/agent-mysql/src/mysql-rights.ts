import type { Problem } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from './mysql-agent-settings.ts'
import type { MysqlSession } from './mysql-connection.ts'
import { grantStatement, missingRights, parseGrants, type RequiredRight } from './mysql-grants.ts'
import { atLeast, type ServerFacts } from './mysql-server.ts'

type RightsSettings = Pick<ResolvedMysqlAgentSettings, 'locking' | 'binlogRotate' | 'users' | 'ddlGuard' | 'nonTransactionalTables'>

/** What a full capture needs on this server. Sources: reference manuals of the statements, "Privileges Provided by MySQL", MariaDB "GRANT". */
export function requiredRights(settings: RightsSettings, server: ServerFacts): readonly RequiredRight[] {
  const mariadb = server.flavour === 'mariadb'
  const mysql8 = !mariadb && atLeast(server.versionNumbers, 8, 0, 0)
  const rights: RequiredRight[] = [
    { privilege: 'SELECT', scope: 'schema', purpose: 'read rows' },
    { privilege: 'SHOW VIEW', scope: 'schema', purpose: 'read views' },
    { privilege: 'TRIGGER', scope: 'schema', purpose: 'read triggers' },
    { privilege: 'EVENT', scope: 'schema', purpose: 'read events' },
    { privilege: 'PROCESS', scope: 'global', purpose: 'find long queries and tables that were rebuilt' },
  ]
  if (settings.locking === 'lockTables' || settings.nonTransactionalTables === 'lock') {
    rights.push({ privilege: 'LOCK TABLES', scope: 'schema', purpose: 'hold tables without snapshots until they are copied' })
  }
  if (settings.locking !== 'none' && settings.locking !== 'lockTables') {
    rights.push({
      privilege: 'RELOAD',
      scope: 'global',
      purpose: 'hold commits for the moment of the snapshot',
      optional: settings.locking === 'auto',
    })
  } else if (settings.binlogRotate && server.logBin) {
    rights.push({ privilege: 'RELOAD', scope: 'global', purpose: 'begin a new binlog file' })
  }
  if (server.logBin) {
    rights.push({
      privilege: mariadb && atLeast(server.versionNumbers, 10, 5, 2) ? 'BINLOG MONITOR' : 'REPLICATION CLIENT',
      alternatives: ['REPLICATION CLIENT', 'BINLOG MONITOR', 'SUPER'],
      scope: 'global',
      purpose: 'read the binlog position',
    })
  }
  if (mysql8 && (settings.ddlGuard === 'auto' || settings.ddlGuard === 'instance')) {
    rights.push({
      privilege: 'BACKUP_ADMIN',
      scope: 'global',
      purpose: 'keep structure from changing during the copy',
      optional: settings.ddlGuard === 'auto',
    })
  }
  if (mysql8 && atLeast(server.versionNumbers, 8, 0, 20)) {
    rights.push({ privilege: 'SHOW_ROUTINE', scope: 'global', alternatives: ['SELECT'], purpose: 'read the bodies of routines' })
  } else
    rights.push({ privilege: 'SELECT', scope: 'global', purpose: 'read the bodies of routines of others, in mysql.proc', optional: true })
  if (settings.users) rights.push({ privilege: 'SELECT', scope: 'global', purpose: 'read the accounts, in mysql.*', optional: true })
  return rights
}

/** Missing rights, the needed ones first, each group with the one statement that grants it. */
export async function checkRights(
  session: MysqlSession,
  settings: RightsSettings,
  server: ServerFacts,
  schemas: readonly string[],
): Promise<readonly Problem[]> {
  const [account] = await session.rows('SELECT CURRENT_USER() AS account', 'asking who we are')
  const lines = await session.rows('SHOW GRANTS', 'reading our own grants')
  const grants = parseGrants(lines.map((line) => line.at(0) ?? ''))
  const missing = missingRights(grants, requiredRights(settings, server), schemas)
  return missing
    .toSorted((a, b) => Number(a.right.optional ?? false) - Number(b.right.optional ?? false))
    .map(({ right, schemas: lacking }) => ({
      severity: right.optional === true ? 'warning' : 'error',
      code: 'ACCESS_DENIED',
      message: `${account?.text('account') ?? 'the account'} lacks ${right.privilege}${lacking.length === 0 ? '' : ` on ${lacking.slice(0, 5).join(', ')}`}, needed to ${right.purpose}`,
      hint: `Run on the server: ${grantStatement([right], account?.text('account') ?? '')}; all at once: ${grantStatement(distinct(missing.map((one) => one.right)), account?.text('account') ?? '')}`,
    }))
}

function distinct(rights: readonly RequiredRight[]): readonly RequiredRight[] {
  return [...new Map(rights.map((right) => [right.privilege, right])).values()]
}
