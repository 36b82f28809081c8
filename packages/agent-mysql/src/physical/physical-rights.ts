import type { Problem } from '@backup-planet/core'
import { missingRights, quoteAccount, type RequiredRight } from '../mysql-grants.ts'
import { type OwnRights, rightsProblems } from '../mysql-rights.ts'
import { atLeast, type ServerFacts } from '../mysql-server.ts'

/** What the tools need. Sources: MariaDB "mariadb-backup Overview", authentication and privileges; Percona XtraBackup 8.0 "Connection and privileges needed". */
function physicalRights(server: ServerFacts): readonly RequiredRight[] {
  const mariadb = server.flavour === 'mariadb'
  const global = (privilege: string, purpose: string, alternatives: readonly string[] = []): RequiredRight => ({
    privilege,
    scope: 'global',
    purpose,
    alternatives,
  })
  return [
    global('RELOAD', 'hold commits at the end of the copy'),
    global('PROCESS', 'read the LSN and find long queries'),
    global('LOCK TABLES', 'hold tables without redo log'),
    mariadb && atLeast(server.versionNumbers, 10, 5, 2)
      ? global('BINLOG MONITOR', 'read the binlog position', ['REPLICATION CLIENT', 'SUPER'])
      : global('REPLICATION CLIENT', 'read the binlog position', ['BINLOG MONITOR', 'SUPER']),
    ...(isMysql8(server) ? [global('BACKUP_ADMIN', 'keep structure from changing, and read the position and the LSN of one moment')] : []),
  ]
}

/** Tables that xtrabackup reads on MySQL 8. */
const readTables = ['log_status', 'keyring_component_status', 'replication_group_members'] as const

/** Missing rights, each with the statement that grants it. */
export function physicalRightsProblems(own: OwnRights, server: ServerFacts): readonly Problem[] {
  const tables = isMysql8(server) ? readTables.filter((table) => !mayRead(own, table)) : []
  return [
    ...rightsProblems(own, physicalRights(server), []),
    ...tables.map(
      (table): Problem => ({
        severity: table === 'log_status' ? 'error' : 'warning',
        code: 'ACCESS_DENIED',
        message: `${own.account} lacks SELECT on performance_schema.${table}, which xtrabackup reads`,
        hint: `Run on the server: GRANT SELECT ON performance_schema.${table} TO ${quoteAccount(own.account)}`,
      }),
    ),
  ]
}

function mayRead({ grants }: OwnRights, table: string): boolean {
  const right: RequiredRight = { privilege: 'SELECT', scope: 'schema', on: { schema: 'performance_schema', table }, purpose: 'read it' }
  return missingRights(grants, [right], []).length === 0
}

function isMysql8(server: ServerFacts): boolean {
  return server.flavour !== 'mariadb' && atLeast(server.versionNumbers, 8, 0, 0)
}
