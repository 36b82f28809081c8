import type { Backup, Problem } from '@backup-planet/core'
import { accountsItem } from '../dump-layout.ts'
import { grantStatement, missingRights, parseGrants, type RequiredRight } from '../mysql-grants.ts'
import { flavourOf } from '../mysql-server.ts'
import { isSystemSchema, type SystemSchemas } from '../system-schemas.ts'
import { unloggedSchema, unloggedWarning } from '../unlogged-restore.ts'
import { journalSchema } from './restore-journal.ts'
import type { MysqlRestoreOptions } from './restore-options.ts'
import type { RestoreTargetFacts } from './restore-target.ts'

/** Item of the backup and the schema that it becomes. */
export interface ItemTarget {
  readonly item: string
  readonly to: string
}

/** Names that no item may be restored to, and two items that would meet in one. */
export function nameProblems(items: readonly ItemTarget[], rename: Readonly<Record<string, string>>, system: SystemSchemas): Problem[] {
  const problems: Problem[] = []
  const taken = new Map<string, string>()
  const invalid = (item: string, message: string) =>
    problems.push({ severity: 'error', code: 'INVALID_INPUT', item, message, hint: 'Choose another name with rename.' })
  for (const from of Object.keys(rename)) {
    if (!items.some((item) => item.item === from)) invalid(from, `rename names ${from}, which is not among the items to restore`)
  }
  for (const { item, to } of items) {
    if (item === accountsItem) {
      if (to !== item) invalid(item, `item ${item} holds accounts and cannot be renamed`)
      continue
    }
    if (isSystemSchema(to, system) || [journalSchema, unloggedSchema].includes(to.toLowerCase()))
      invalid(item, `${to} is a schema of the server itself`)
    if (to === '' || [...to].length > 64 || to.endsWith(' ') || [...to].some((character) => character < ' '))
      invalid(item, `${JSON.stringify(to)} is no name for a schema`)
    const key = system.foldsCase ? to.toLowerCase() : to
    const other = taken.get(key)
    if (other !== undefined) invalid(item, `${item} and ${other} would both become ${to}`)
    taken.set(key, item)
  }
  return problems
}

/** Collations that the backup says an item uses and the target does not know. Which of them the chosen tables use is only known once they are read. */
function collationProblems(
  backup: Backup,
  target: RestoreTargetFacts,
  items: readonly ItemTarget[],
  { collationMap: map, tables }: Pick<MysqlRestoreOptions, 'collationMap' | 'tables'>,
) {
  if (tables !== undefined) return []
  return items.flatMap(({ item }): Problem[] => {
    const named = backup.items.find((candidate) => candidate.item === item)?.facts.collations
    const names = Array.isArray(named) ? named.filter((name) => typeof name === 'string') : []
    const unknown = names.filter((name) => !target.collations.has((map[name] ?? name).toLowerCase())).sort()
    if (unknown.length === 0) return []
    return [{ severity: 'error', code: 'UNSUPPORTED', item, ...unknownCollations(unknown, item) }]
  })
}

export function unknownCollations(unknown: readonly string[], item: string): { readonly message: string; readonly hint: string } {
  return {
    message: `the target does not know ${unknown.join(', ')}, which ${item} uses`,
    hint: `Say with the option collationMap which collation of the target to use instead, such as {"${unknown[0]}": "utf8mb4_unicode_ci"}.`,
  }
}

/** What of the backup this target cannot hold. */
export function compatibilityProblems(
  backup: Backup,
  target: RestoreTargetFacts,
  items: readonly ItemTarget[],
  restore: Pick<MysqlRestoreOptions, 'collationMap' | 'tables'>,
): Problem[] {
  const problems: Problem[] = collationProblems(backup, target, items, restore)
  const lowerCase = backup.facts.lowerCaseTableNames
  const { server } = target
  if (typeof lowerCase === 'number' && lowerCase !== server.lowerCaseTableNames) {
    problems.push({
      severity: 'error',
      code: 'UNSUPPORTED',
      message: `lower_case_table_names is ${lowerCase} on the source and ${server.lowerCaseTableNames} on the target`,
      hint: `Restore to a server that was initialised with lower_case_table_names=${lowerCase}; names that differ in case would meet or not be found.`,
    })
  }
  const source = typeof backup.facts.flavour === 'string' ? backup.facts.flavour : flavourOf(backup.source.version, undefined)
  const crosses = (source === 'mariadb') !== (server.flavour === 'mariadb')
  if (crosses && items.some((item) => item.item === accountsItem)) {
    problems.push({
      severity: 'error',
      code: 'UNSUPPORTED',
      item: accountsItem,
      message: `accounts of ${source} ${backup.source.version} do not fit ${server.flavour} ${server.version}: their passwords are kept differently`,
      hint: `Leave out item ${accountsItem}, and create the accounts by hand; users.sql of the backup shows them.`,
    })
  }
  if (crosses) {
    problems.push({
      severity: 'warning',
      code: 'UNSUPPORTED',
      message: `the backup is of ${source} ${backup.source.version} and the target is ${server.flavour} ${server.version}`,
      hint: 'Statements that the target does not know fail their item; collations can be replaced with the option collationMap.',
    })
  }
  return problems
}

const schemaRights: readonly RequiredRight[] = [
  'SELECT',
  'INSERT',
  'CREATE',
  'DROP',
  'ALTER',
  'INDEX',
  'REFERENCES',
  'CREATE VIEW',
  'SHOW VIEW',
  'CREATE ROUTINE',
  'ALTER ROUTINE',
  'TRIGGER',
  'EVENT',
].map((privilege) => ({ privilege, scope: 'schema', purpose: 'restore schemas' }))

/** Settings and rights of the target. */
export function targetProblems(target: RestoreTargetFacts, items: readonly ItemTarget[], restore: MysqlRestoreOptions): Problem[] {
  const problems: Problem[] = []
  if (!target.localInfile) {
    problems.push({
      severity: 'warning',
      code: 'UNSUPPORTED',
      message: 'local_infile is off on the target, so rows go in by INSERT, which takes three to five times as long',
      hint: 'Run SET GLOBAL local_infile = 1 on the target for the time of the restore, then plan again.',
    })
  }
  if (target.readOnly) {
    problems.push({
      severity: 'warning',
      code: 'ACCESS_DENIED',
      message: 'the target is read_only',
      hint: 'Run SET GLOBAL read_only = 0 on the target unless the account may write all the same.',
    })
  }
  if (target.requirePrimaryKey) {
    problems.push({
      severity: 'warning',
      code: 'UNSUPPORTED',
      message: 'the target wants a primary key in every table',
      hint: 'Tables without one fail their item unless the account may set sql_require_primary_key = OFF for its session.',
    })
  }
  if (target.refusesFunctions && restore.tables === undefined && items.some((item) => item.item !== accountsItem)) {
    problems.push({
      severity: 'warning',
      code: 'UNSUPPORTED',
      message: 'the target writes a binlog and refuses functions that are not declared DETERMINISTIC, NO SQL or READS SQL DATA',
      hint: 'If the backup holds such functions, run SET GLOBAL log_bin_trust_function_creators = 1 on the target for the time of the restore.',
    })
  }
  const required: RequiredRight[] = [...schemaRights]
  if (items.some((item) => item.item === accountsItem) && restore.users !== 'none') {
    required.push({ privilege: 'CREATE USER', scope: 'global', purpose: 'restore accounts' })
  }
  const admin = target.server.flavour === 'mariadb' ? 'BINLOG ADMIN' : 'SYSTEM_VARIABLES_ADMIN'
  if (!restore.binlog)
    required.push({ privilege: admin, scope: 'global', alternatives: ['SUPER'], purpose: 'keep the restore out of the binlog' })
  if (restore.relaxedCommits || restore.restoreGtid) {
    required.push({
      privilege: 'SUPER',
      scope: 'global',
      alternatives: ['SYSTEM_VARIABLES_ADMIN', 'REPLICATION SLAVE ADMIN'],
      purpose: 'set server variables',
    })
  }
  const isUnlogged = !restore.binlog && target.server.logBin
  if (isUnlogged) problems.push(unloggedWarning)
  const schemas = [
    journalSchema,
    ...(isUnlogged ? [unloggedSchema] : []),
    ...items.filter((item) => item.item !== accountsItem).map((item) => item.to),
  ]
  const missing = missingRights(parseGrants(target.grants), required, schemas).map((one) => one.right)
  if (missing.length > 0) {
    problems.push({
      severity: 'error',
      code: 'ACCESS_DENIED',
      message: `account ${target.account} lacks ${missing.map((right) => right.privilege).join(', ')} on the target`,
      hint: `Run ${grantStatement(missing, target.account)}; rights of a role count once it is active at login (SET DEFAULT ROLE).`,
    })
  }
  return problems
}
