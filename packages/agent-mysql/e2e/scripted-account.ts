import type { ScriptedVersion } from './scripted-version.ts'
import { since } from './scripted-version.ts'

/** Global rights of an account, by the names that its server prints. */
export interface ScriptedAccount {
  readonly rights: readonly string[]
}

/** Names that GRANT of a version takes, of those that the agent asks for. To another version they are a syntax error or an unknown dynamic privilege. */
export function grantable(version: ScriptedVersion): ReadonlySet<string> {
  const common =
    'SELECT|SHOW VIEW|TRIGGER|EVENT|LOCK TABLES|RELOAD|PROCESS|SHOW DATABASES|REPLICATION CLIENT|REPLICATION SLAVE|SUPER|EXECUTE'.split('|')
  if (version.flavour === 'mariadb') {
    // V: MariaDB "GRANT", 10.5.2, and 10.5.9 for REPLICA MONITOR, which is printed as SLAVE MONITOR.
    const split = ['BINLOG MONITOR', 'BINLOG ADMIN', 'REPLICATION REPLICA', 'BINLOG REPLAY', 'SLAVE MONITOR', 'REPLICA MONITOR']
    return new Set([...common, ...(since(version, 10, 5, 9) ? split : [])])
  }
  // V: MySQL 8.0 "Privileges Provided by MySQL"; SHOW_ROUTINE 8.0.20.
  return new Set([
    ...common,
    ...(since(version, 8, 0, 0) ? ['BACKUP_ADMIN', 'BINLOG_ADMIN'] : []),
    ...(since(version, 8, 0, 20) ? ['SHOW_ROUTINE'] : []),
  ])
}

/** Rights of a full backup that holds everything, as README.md of the package lists them; without SHOW_ROUTINE, which SELECT on everything holds. */
export function documentedRights(version: ScriptedVersion): readonly string[] {
  const common = ['SELECT', 'SHOW VIEW', 'TRIGGER', 'EVENT', 'LOCK TABLES', 'RELOAD', 'PROCESS']
  if (version.flavour === 'mariadb') return [...common, since(version, 10, 5, 2) ? 'BINLOG MONITOR' : 'REPLICATION CLIENT']
  const mysql8 = since(version, 8, 0, 0)
  return [...common, 'REPLICATION CLIENT', ...(mysql8 ? ['BACKUP_ADMIN'] : [])]
}

/** Of a log backup. */
export function documentedLogRights(version: ScriptedVersion): readonly string[] {
  const monitor = version.flavour === 'mariadb' && since(version, 10, 5, 2) ? 'BINLOG MONITOR' : 'REPLICATION CLIENT'
  return [monitor, 'REPLICATION SLAVE', 'RELOAD']
}

/** SHOW GRANTS: MySQL 8 prints dynamic privileges in a line of their own. */
export function scriptedGrants(version: ScriptedVersion, account: ScriptedAccount | undefined): readonly string[] {
  const to = 'TO `backup`@`localhost`'
  if (account === undefined) return [`GRANT ALL PRIVILEGES ON *.* ${to} WITH GRANT OPTION`]
  const dynamic = account.rights.filter((right) => right.includes('_'))
  const plain = account.rights.filter((right) => !right.includes('_'))
  const quoted = version.flavour === 'mysql' && !since(version, 8, 0, 0) ? "TO 'backup'@'localhost'" : to
  return [
    `GRANT ${plain.length === 0 ? 'USAGE' : plain.join(', ')} ON *.* ${quoted}`,
    ...(dynamic.length === 0 ? [] : [`GRANT ${dynamic.join(',')} ON *.* ${to}`]),
  ]
}
