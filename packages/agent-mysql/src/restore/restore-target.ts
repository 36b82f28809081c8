import { createHash } from 'node:crypto'
import type { MysqlSession } from '../mysql-connection.ts'
import { isName, quoteText } from '../mysql-quoting.ts'
import { detectServer, type ServerFacts } from '../mysql-server.ts'
import { readSystemSchemas, type SystemSchemas } from '../system-schemas.ts'
import { existingAccounts } from './account-restore.ts'

export interface TargetObject {
  /** `table`, `view`, `sequence`, `function`, `procedure`, `event` … */
  readonly type: string
  readonly name: string
  /** When it was created; another one of the same name has another time. */
  readonly created: string
}

/** Everything on the target that a plan depends on. */
export interface RestoreTargetFacts {
  readonly server: ServerFacts
  readonly systemSchemas: SystemSchemas
  readonly localInfile: boolean
  readonly readOnly: boolean
  readonly requirePrimaryKey: boolean
  /** Refuses functions that do not say that they are deterministic, because the binlog is on. */
  readonly refusesFunctions: boolean
  /** Events may run at any moment. */
  readonly eventScheduler: boolean
  /** MariaDB: triggers fire for rows that come out of a log. */
  readonly replayedTriggers: boolean
  readonly collations: ReadonlySet<string>
  /** Lines of SHOW GRANTS, those of active roles among them. */
  readonly grants: readonly string[]
  readonly account: string
  /** By schema name; one that does not exist has no entry. */
  readonly schemas: ReadonlyMap<string, readonly TargetObject[]>
  /** `user@host`; empty when accounts are not restored. */
  readonly accounts: ReadonlySet<string>
}

/** Reads the target. Changes nothing. */
export async function readTarget(session: MysqlSession, schemas: readonly string[], accounts: boolean): Promise<RestoreTargetFacts> {
  const server = await detectServer(session)
  const found = new Map<string, readonly TargetObject[]>()
  for (const schema of schemas) {
    const objects = await readObjects(session, server, schema)
    if (objects !== undefined) found.set(schema, objects)
  }
  const variables = await session.rows(
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('local_infile', 'read_only', 'super_read_only', 'sql_require_primary_key', 'innodb_force_primary_key', 'log_bin_trust_function_creators', 'event_scheduler', 'slave_run_triggers_for_rbr')",
    'reading the variables of the target',
  )
  const isOn = (name: string) => variables.some((row) => row.at(0) === name && /^(ON|1)$/i.test(row.at(1) ?? ''))
  const collations = await session.rows(
    'SELECT COLLATION_NAME AS name FROM information_schema.COLLATIONS WHERE COLLATION_NAME IS NOT NULL',
    'listing the collations of the target',
  )
  const [own] = await session.rows('SELECT CURRENT_USER() AS account', 'asking for the own account')
  return {
    server,
    systemSchemas: await readSystemSchemas(session, server),
    localInfile: isOn('local_infile'),
    readOnly: isOn('read_only') || isOn('super_read_only'),
    refusesFunctions: server.logBin && !isOn('log_bin_trust_function_creators'),
    requirePrimaryKey: isOn('sql_require_primary_key') || isOn('innodb_force_primary_key'),
    eventScheduler: isOn('event_scheduler'),
    replayedTriggers: variables.some((row) => row.at(0) === 'slave_run_triggers_for_rbr' && row.at(1) !== 'NO'),
    collations: withOldNames(
      await withContextualCollations(
        session,
        collations.map((row) => row.text('name').toLowerCase()),
      ),
    ),
    grants: await readGrants(session, server),
    account: own?.text('account') ?? '',
    schemas: found,
    accounts: accounts ? await existingAccounts(session) : new Set(),
  }
}

/**
 * The rights of this session, as the server expands them: MariaDB's SHOW GRANTS lists what the active role and the roles in it give, that of
 * MySQL 8 does so for roles that it is told (MySQL 8.4 manual and MariaDB documentation, "SHOW GRANTS"). Roles that are granted and not
 * active give nothing.
 */
export async function readGrants(
  session: MysqlSession,
  server: Pick<ServerFacts, 'flavour' | 'versionNumbers'>,
): Promise<readonly string[]> {
  const during = 'reading the rights on the target'
  let statement = 'SHOW GRANTS'
  if (server.flavour !== 'mariadb' && server.versionNumbers[0] >= 8) {
    const [row] = await session.rows('SELECT CURRENT_ROLE() AS roles', during)
    const roles = row?.nullable('roles') ?? 'NONE'
    if (roles !== 'NONE') statement = `SHOW GRANTS FOR CURRENT_USER() USING ${roles}`
  }
  return (await session.rows(statement, during)).map((row) => row.at(0) ?? '')
}

/** MariaDB 10.10 lists `uca1400_ai_ci` without its character set; the full names are elsewhere. */
async function withContextualCollations(session: MysqlSession, names: readonly string[]): Promise<ReadonlySet<string>> {
  const [column] = await session.rows(
    "SELECT COUNT(*) AS found FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'information_schema' AND TABLE_NAME = 'COLLATION_CHARACTER_SET_APPLICABILITY' AND COLUMN_NAME = 'FULL_COLLATION_NAME'",
    'asking how collations are listed',
  )
  if (column?.number('found') !== 1) return new Set(names)
  const rows = await session.rows(
    'SELECT FULL_COLLATION_NAME AS name FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY WHERE FULL_COLLATION_NAME IS NOT NULL',
    'listing the collations of the target',
  )
  return new Set([...names, ...rows.map((row) => row.text('name').toLowerCase())])
}

/** Servers that list `utf8mb3_bin` take `utf8_bin` for it (MariaDB 10.6 and MySQL 8.0.30 release notes). */
function withOldNames(names: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...names].flatMap((name) => [name, name.replace(/^utf8mb3_/, 'utf8_')]))
}

/** A condition on a column of `information_schema` that compares without case; the server itself finds a schema in any case or in its own only. */
export function isSchema(server: Pick<ServerFacts, 'lowerCaseTableNames'>, column: string, schema: string): string {
  return server.lowerCaseTableNames === 0 ? isName(column, schema) : `${column} = ${quoteText(schema)}`
}

async function readObjects(session: MysqlSession, server: ServerFacts, schema: string): Promise<readonly TargetObject[] | undefined> {
  const during = `listing what is in schema ${schema}`
  const [there] = await session.rows(
    `SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${quoteText(schema)}`,
    during,
  )
  if (there === undefined) return undefined
  const rows = await session.rows(
    `SELECT TABLE_TYPE AS type, TABLE_NAME AS name, CREATE_TIME AS created FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${quoteText(schema)}
     UNION ALL SELECT ROUTINE_TYPE, ROUTINE_NAME, CREATED FROM information_schema.ROUTINES WHERE ${isSchema(server, 'ROUTINE_SCHEMA', schema)}
     UNION ALL SELECT 'EVENT', EVENT_NAME, CREATED FROM information_schema.EVENTS WHERE ${isSchema(server, 'EVENT_SCHEMA', schema)}`,
    during,
  )
  return rows
    .map((row) => ({ type: objectType(row.text('type')), name: row.text('name'), created: row.nullable('created') ?? '' }))
    .sort((a, b) => (`${a.type} ${a.name}` < `${b.type} ${b.name}` ? -1 : 1))
}

function objectType(type: string): string {
  return /^(BASE TABLE|SYSTEM VERSIONED)$/.test(type) ? 'table' : type.toLowerCase()
}

/**
 * Two hashes with a dot between: of the server itself, and of what lies where the restore will write. Equal as long as nothing that
 * the plan depends on has changed; how many rows tables have is not part of it.
 */
export function targetFingerprint(target: RestoreTargetFacts): string {
  const { server } = target
  const machine = [server.id, server.version, server.lowerCaseTableNames, target.localInfile, target.account]
  const contents = [[...target.schemas].sort(([a], [b]) => (a < b ? -1 : 1)), [...target.accounts].sort()]
  return `${hash(machine)}.${hash(contents)}`
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32)
}
