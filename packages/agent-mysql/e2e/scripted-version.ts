/**
 * What servers of these versions know, written from their documentation and not from what the agent does: "V" marks what was read there, "K" what is
 * known otherwise and was verified nowhere.
 */
export interface ScriptedVersion {
  readonly name: string
  readonly flavour: 'mysql' | 'percona' | 'mariadb'
  readonly numbers: readonly [number, number, number]
  /** What VERSION() says. */
  readonly version: string
  /** What the server greets with; MariaDB puts 5.5.5- in front until 10.11 (K: 11 does not). */
  readonly greeting: string
  readonly comment: string
}

function mysql(name: string, numbers: ScriptedVersion['numbers']): ScriptedVersion {
  const version = numbers.join('.')
  return { name, flavour: 'mysql', numbers, version, greeting: version, comment: 'MySQL Community Server - GPL' }
}

function mariadb(numbers: ScriptedVersion['numbers']): ScriptedVersion {
  const version = `${numbers.join('.')}-MariaDB-log`
  const greeting = numbers[0] === 10 ? `5.5.5-${version}` : version
  return {
    name: `MariaDB ${numbers[0]}.${numbers[1]}`,
    flavour: 'mariadb',
    numbers,
    version,
    greeting,
    comment: 'mariadb.org binary distribution',
  }
}

export const scriptedVersions: readonly ScriptedVersion[] = [
  mysql('MySQL 5.7', [5, 7, 44]),
  mysql('MySQL 8.0', [8, 0, 40]),
  mysql('MySQL 8.4', [8, 4, 3]),
  mysql('MySQL 9.1', [9, 1, 0]),
  {
    name: 'Percona 8.0',
    flavour: 'percona',
    numbers: [8, 0, 40],
    version: '8.0.40-31',
    greeting: '8.0.40-31',
    comment: 'Percona Server (GPL), Release 31, Revision 00000000',
  },
  mariadb([10, 4, 34]),
  mariadb([10, 5, 27]),
  mariadb([10, 6, 20]),
  mariadb([10, 11, 10]),
  mariadb([11, 4, 4]),
  mariadb([11, 8, 2]),
]

/** From which version on, and before which, something is known; `undefined`: by none of the flavour. */
interface Span {
  readonly from?: readonly [number, number, number]
  readonly before?: readonly [number, number, number]
}

export interface Known {
  readonly mysql?: Span
  readonly mariadb?: Span
}

const always: Span = {}

/** Statements that not every version has. To the others they are a syntax error. */
export const statements = {
  // V: MySQL 8.2 "SHOW BINARY LOG STATUS Statement"; MariaDB "SHOW MASTER STATUS" has no such name.
  'SHOW BINARY LOG STATUS': { mysql: { from: [8, 2, 0] } },
  // V: MySQL 8.4 release notes, removed; MariaDB: an alias since 10.5.2.
  'SHOW MASTER STATUS': { mysql: { before: [8, 4, 0] }, mariadb: always },
  // V: MariaDB "SHOW MASTER STATUS".
  'SHOW BINLOG STATUS': { mariadb: { from: [10, 5, 2] } },
  'SHOW BINARY LOGS': { mysql: always, mariadb: always },
  'SHOW BINLOG EVENTS': { mysql: always, mariadb: always },
  // V: MySQL 8.0.22 "SHOW REPLICA STATUS", MySQL 8.4 removed the old name; MariaDB 10.5.1.
  'SHOW REPLICA STATUS': { mysql: { from: [8, 0, 22] }, mariadb: { from: [10, 5, 1] } },
  'SHOW SLAVE STATUS': { mysql: { before: [8, 4, 0] }, mariadb: always },
  'SHOW ALL SLAVES STATUS': { mariadb: always },
  'SHOW REPLICAS': { mysql: { from: [8, 0, 22] } },
  'SHOW SLAVE HOSTS': { mysql: { before: [8, 4, 0] }, mariadb: always },
  // V: MySQL 8.0 "LOCK INSTANCE FOR BACKUP and UNLOCK INSTANCE Statements".
  'LOCK INSTANCE FOR BACKUP': { mysql: { from: [8, 0, 0] } },
  'UNLOCK INSTANCE': { mysql: { from: [8, 0, 0] } },
  // V: MariaDB "BACKUP STAGE", 10.4.1.
  'BACKUP STAGE': { mariadb: { from: [10, 4, 1] } },
  'FLUSH TABLES WITH READ LOCK': { mysql: always, mariadb: always },
  'FLUSH BINARY LOGS': { mysql: always, mariadb: always },
  'UNLOCK TABLES': { mysql: always, mariadb: always },
  'LOCK TABLES': { mysql: always, mariadb: always },
  'PURGE BINARY LOGS': { mysql: always, mariadb: always },
  'XA RECOVER': { mysql: always, mariadb: always },
} as const satisfies Readonly<Record<string, Known>>

/** Variables that a session may set and not every version has. Of the others the server says 1193. */
const sessionVariables: Readonly<Record<string, Known>> = {
  max_statement_time: { mariadb: always },
  // V: MySQL 5.7.8. K: no MariaDB up to 11.8 knows it.
  max_execution_time: { mysql: { from: [5, 7, 8] } },
  // V: MySQL 8.0 "Server System Variables".
  information_schema_stats_expiry: { mysql: { from: [8, 0, 0] } },
  print_identified_with_as_hex: { mysql: { from: [8, 0, 17] } },
  show_gipk_in_create_table_and_information_schema: { mysql: { from: [8, 0, 30] } },
  // K: of builds with Galera, which those of mariadb.org are.
  wsrep_sync_wait: { mariadb: always },
  // V: removed in MySQL 8.0.3. V: the new name came with MariaDB 11.1, which keeps the old one.
  tx_isolation: { mysql: { before: [8, 0, 3] }, mariadb: always },
  transaction_isolation: { mysql: { from: [5, 7, 20] }, mariadb: { from: [11, 1, 1] } },
}
const commonSessionVariables: ReadonlySet<string> = new Set(
  (
    'autocommit character_set_results completion_type lc_messages lock_wait_timeout net_read_timeout net_write_timeout sql_big_selects sql_log_bin ' +
    'sql_mode sql_quote_show_create sql_safe_updates sql_select_limit time_zone wait_timeout'
  ).split(' '),
)

/** Tables of the server that not every version has. Of the others it says 1146, or 1109 in information_schema. */
export const systemTables: Readonly<Record<string, Known>> = {
  // V: the data dictionary of MySQL 8.0 has taken their place.
  'mysql.proc': { mysql: { before: [8, 0, 0] }, mariadb: always },
  'mysql.event': { mysql: { before: [8, 0, 0] }, mariadb: always },
  'mysql.servers': { mysql: always, mariadb: always },
  'mysql.func': { mysql: always, mariadb: always },
  'mysql.plugin': { mysql: always, mariadb: always },
  // V: MySQL 8.0 "INFORMATION_SCHEMA Changes": the names lost their SYS_.
  'information_schema.innodb_sys_tables': { mysql: { before: [8, 0, 0] }, mariadb: always },
  'information_schema.innodb_tables': { mysql: { from: [8, 0, 0] } },
  // V: MySQL 8.0.35 deprecates it; it is still there in 9.1.
  'information_schema.processlist': { mysql: always, mariadb: always },
}

export function knows({ flavour, numbers }: ScriptedVersion, what: Known): boolean {
  const span = flavour === 'mariadb' ? what.mariadb : what.mysql
  return (
    span !== undefined &&
    (span.from === undefined || !isBefore(numbers, span.from)) &&
    (span.before === undefined || isBefore(numbers, span.before))
  )
}

export function knowsSessionVariable(version: ScriptedVersion, name: string): boolean {
  const known = sessionVariables[name]
  return known === undefined ? commonSessionVariables.has(name) : knows(version, known)
}

export function since(version: ScriptedVersion, ...numbers: readonly [number, number, number]): boolean {
  return !isBefore(version.numbers, numbers)
}

function isBefore(numbers: readonly [number, number, number], others: readonly [number, number, number]): boolean {
  const index = numbers.findIndex((number, place) => number !== others[place])
  return index >= 0 && (numbers[index] ?? 0) < (others[index] ?? 0)
}
