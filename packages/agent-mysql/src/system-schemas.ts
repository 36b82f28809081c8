import type { MysqlSession } from './mysql-connection.ts'
import { isName } from './mysql-quoting.ts'
import { atLeast, type ServerFacts } from './mysql-server.ts'

/** The schemas of a server that are its own, and how it compares names. */
export interface SystemSchemas {
  /** Lower-case. */
  readonly names: ReadonlySet<string>
  /** Names that differ in case only are the same schema. */
  readonly foldsCase: boolean
}

/** Finds out which schemas are the server's own: `sys` and `ndbinfo` are so only where the server has them, and may be somebody's elsewhere. */
export async function readSystemSchemas(session: MysqlSession, server: ServerFacts): Promise<SystemSchemas> {
  const names = new Set(['information_schema', 'performance_schema', 'mysql'])
  if (await sysIsInstalled(session, server)) names.add('sys')
  const engines = await session.rows(
    "SELECT engine FROM information_schema.engines WHERE engine IN ('ndbinfo', 'ndbcluster') AND support IN ('YES', 'DEFAULT')",
    'looking for the engine ndbinfo',
  )
  if (engines.length > 0) names.add('ndbinfo')
  return { names, foldsCase: server.lowerCaseTableNames !== 0 }
}

/** Whether a schema is the server's own, which is never captured as a schema and never restored to. */
export function isSystemSchema(schema: string, system: SystemSchemas): boolean {
  // The server finds information_schema in any case, whatever lower_case_table_names says.
  if (schema.toLowerCase() === 'information_schema') return true
  return system.names.has(system.foldsCase ? schema.toLowerCase() : schema)
}

/** The installed one has a view `version` and a table `sys_config` (MySQL 8.4 manual, "sys Schema Object Index"). */
async function sysIsInstalled(session: MysqlSession, server: ServerFacts): Promise<boolean> {
  const rows = await session.rows(
    `SELECT table_name FROM information_schema.tables WHERE ${isName('table_schema', 'sys')}`,
    'looking for the installed schema sys',
  )
  // Hidden from the account, or not there.
  if (rows.length === 0)
    return atLeast(server.versionNumbers, server.flavour === 'mariadb' ? 10 : 5, server.flavour === 'mariadb' ? 6 : 7, 0)
  const tables = new Set(rows.map((row) => row.text('table_name').toLowerCase()))
  return tables.has('sys_config') && tables.has('version')
}
