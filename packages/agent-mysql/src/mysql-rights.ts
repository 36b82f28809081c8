import type { ItemFailure, Problem } from '@backup-planet/core'
import type { ResolvedMysqlAgentSettings } from './mysql-agent-settings.ts'
import type { MysqlSession } from './mysql-connection.ts'
import { errorNumber } from './mysql-errors.ts'
import { distinctRights, type Grant, grantStatement, hidingRights, missingRights, parseGrants, type RequiredRight } from './mysql-grants.ts'
import { atLeast, type ServerFacts } from './mysql-server.ts'

type RightsSettings = Pick<
  ResolvedMysqlAgentSettings,
  'locking' | 'binlogRotate' | 'users' | 'ddlGuard' | 'nonTransactionalTables' | 'includeSchemas'
>

/** Who we are, and what that account may do, its active roles included. */
export interface OwnRights {
  /** As CURRENT_USER() prints it. */
  readonly account: string
  readonly grants: readonly Grant[]
}

/** Reads the rights of the session. */
export async function readOwnRights(session: MysqlSession): Promise<OwnRights> {
  const [row] = await session.rows('SELECT CURRENT_USER() AS account', 'asking who we are')
  const account = row?.text('account') ?? ''
  try {
    const lines = await session.rows('SHOW GRANTS', 'reading our own grants')
    return { account, grants: parseGrants(lines.map((line) => line.at(0) ?? '')) }
  } catch (error) {
    // ER_OPTION_PREVENTS_STATEMENT: with skip_grant_tables everybody may do everything.
    if (errorNumber(error) !== 1290) throw error
    return { account, grants: [{ privileges: new Set(['ALL PRIVILEGES']), schema: '*', table: '*', revoked: false }] }
  }
}

/** What a full capture needs on this server. Sources: reference manuals of the statements, "Privileges Provided by MySQL", MariaDB "GRANT". */
export function requiredRights(settings: RightsSettings, server: ServerFacts): readonly RequiredRight[] {
  const mariadb = server.flavour === 'mariadb'
  const mysql8 = !mariadb && atLeast(server.versionNumbers, 8, 0, 0)
  const rights: RequiredRight[] = [
    { privilege: 'SELECT', scope: 'schema', hides: true, purpose: 'read rows' },
    { privilege: 'SHOW VIEW', scope: 'schema', hides: true, purpose: 'read views' },
    { privilege: 'TRIGGER', scope: 'schema', hides: true, purpose: 'read triggers' },
    { privilege: 'EVENT', scope: 'schema', hides: true, purpose: 'read events' },
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
  if (server.logBin) rights.push(binlogMonitor(server, 'read the binlog position'))
  if (mysql8 && (settings.ddlGuard === 'auto' || settings.ddlGuard === 'instance')) {
    rights.push({
      privilege: 'BACKUP_ADMIN',
      scope: 'global',
      purpose: 'keep structure from changing during the copy',
      optional: settings.ddlGuard === 'auto',
    })
  }
  rights.push(...routineRights(server, mysql8))
  if (settings.users) {
    const on = { schema: 'mysql', table: '*' }
    rights.push({ privilege: 'SELECT', scope: 'schema', on, purpose: 'read the accounts, in mysql.*' })
  }
  if (settings.includeSchemas === undefined) {
    rights.push({
      privilege: 'SHOW DATABASES',
      scope: 'global',
      alternatives: [
        'SELECT',
        'INSERT',
        'UPDATE',
        'DELETE',
        'CREATE',
        'DROP',
        'ALTER',
        'INDEX',
        'SHOW VIEW',
        'TRIGGER',
        'EVENT',
        'LOCK TABLES',
      ],
      purpose: 'see every schema: those that it does not see are not captured',
      optional: true,
    })
  }
  return rights
}

/**
 * What a log backup needs. Sources: MySQL 8.4 "SHOW BINARY LOGS Statement", "PURGE BINARY LOGS Statement" and "Creating a User for Replication"; MariaDB
 * "GRANT", with the rights that 10.5.2 took out of SUPER.
 */
export function requiredLogRights(
  settings: Pick<ResolvedMysqlAgentSettings, 'purgeBinlogs'>,
  server: ServerFacts,
): readonly RequiredRight[] {
  if (!server.logBin) return []
  const mariadb = server.flavour === 'mariadb'
  const split = mariadb ? atLeast(server.versionNumbers, 10, 5, 2) : atLeast(server.versionNumbers, 8, 0, 0)
  const admin = split ? (mariadb ? 'BINLOG ADMIN' : 'BINLOG_ADMIN') : 'SUPER'
  return [
    binlogMonitor(server, 'list the binlogs and read the position'),
    { privilege: 'REPLICATION SLAVE', alternatives: ['REPLICATION REPLICA'], scope: 'global', purpose: 'read binlogs as a replica does' },
    { privilege: 'RELOAD', scope: 'global', purpose: 'begin a new binlog file, so that the newest changes are in a complete one' },
    ...(settings.purgeBinlogs === 'never'
      ? []
      : [{ privilege: admin, alternatives: ['SUPER'], scope: 'global', purpose: 'purge binlogs that are backed up' } as const]),
  ]
}

function binlogMonitor(server: ServerFacts, purpose: string): RequiredRight {
  return {
    privilege: server.flavour === 'mariadb' && atLeast(server.versionNumbers, 10, 5, 2) ? 'BINLOG MONITOR' : 'REPLICATION CLIENT',
    alternatives: ['REPLICATION CLIENT', 'BINLOG MONITOR', 'SUPER'],
    scope: 'global',
    purpose,
  }
}

/** Without any of these the server shows no routine; with the ones of the schema it shows names without bodies, which then fails the schema. */
function routineRights(server: ServerFacts, mysql8: boolean): readonly RequiredRight[] {
  if (mysql8) {
    const privilege = atLeast(server.versionNumbers, 8, 0, 20) ? 'SHOW_ROUTINE' : 'SELECT'
    return [{ privilege, scope: 'global', alternatives: ['SELECT'], hides: true, purpose: 'read routines and their bodies' }]
  }
  const on = { schema: 'mysql', table: 'proc' }
  const orOnSchema = ['EXECUTE', 'CREATE ROUTINE', 'ALTER ROUTINE', 'SHOW CREATE ROUTINE']
  return [
    { privilege: 'SELECT', scope: 'schema', on, orOnSchema, hides: true, purpose: 'see routines, in mysql.proc' },
    { privilege: 'SELECT', scope: 'schema', on, purpose: 'read the bodies of routines of others, in mysql.proc', optional: true },
  ]
}

/** Missing rights, the needed ones first, each with the statement that grants it and the one that grants all of them. */
export async function checkRights(
  session: MysqlSession,
  required: readonly RequiredRight[],
  schemas: readonly string[],
): Promise<readonly Problem[]> {
  return rightsProblems(await readOwnRights(session), required, schemas)
}

/** The same for any rights. */
export function rightsProblems(
  { account, grants }: OwnRights,
  required: readonly RequiredRight[],
  schemas: readonly string[],
): readonly Problem[] {
  const lacks = missingRights(grants, required, schemas)
  // SELECT on everything, which the statement gives, shows every schema.
  const select = lacks.some(({ right }) => right.privilege === 'SELECT')
  const missing = lacks.filter(({ right }) => !select || right.privilege !== 'SHOW DATABASES')
  const all = grantStatement(distinctRights(missing.map((one) => one.right)), account)
  const problems = Map.groupBy(missing, ({ right }) => right.privilege)
    .entries()
    .map(([privilege, group]): Problem => {
      // What is needed says more than what is only useful.
      const needed = group.some(({ right }) => right.optional !== true)
      const named = needed ? group.filter(({ right }) => right.optional !== true) : group
      const lacking = [...new Set(named.flatMap((one) => one.schemas))]
      const purposes = [...new Set(named.map(({ right }) => right.purpose))]
      return {
        severity: needed ? 'error' : 'warning',
        code: 'ACCESS_DENIED',
        message: `${account} lacks ${privilege}${lacking.length === 0 ? '' : ` on ${lacking.slice(0, 5).join(', ')}${lacking.length > 5 ? ` and ${lacking.length - 5} more` : ''}`}, needed to ${purposes.join(', and to ')}`,
        hint: `Run on the server: ${grantStatement(
          group.slice(0, 1).map((one) => one.right),
          account,
        )}; all at once: ${all}`,
      }
    })
  return [...problems].toSorted((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'))
}

/**
 * Why a schema cannot be captured with these rights; `undefined` when nothing of it is hidden. The server leaves out of its lists what the account may
 * not see, so that a capture without the right would look complete.
 */
export function hiddenFailure(own: OwnRights, settings: RightsSettings, server: ServerFacts, schema: string): ItemFailure | undefined {
  const hiding = hidingRights(own.grants, requiredRights(settings, server), schema)
  if (hiding.length === 0) return undefined
  return {
    code: 'ACCESS_DENIED',
    message: `${own.account} lacks ${hiding.map((right) => right.privilege).join(', ')} on ${schema}, needed to ${hiding.map((right) => right.purpose).join(', to ')}: the server would hide them`,
    hint: `Run on the server: ${grantStatement(hiding, own.account)}`,
  }
}
