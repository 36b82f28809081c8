import type { Problem } from '@backup-planet/core'
import { isForeignSchema } from './dump/name-selection.ts'
import { allSchemas, type ServerInventory } from './dump/server-inventory.ts'
import { longQueries } from './dump/snapshot-lock.ts'
import type { ResolvedMysqlAgentSettings } from './mysql-agent-settings.ts'
import type { MysqlSession } from './mysql-connection.ts'
import { checkRights } from './mysql-rights.ts'
import type { ServerFacts } from './mysql-server.ts'

/** Undo that old snapshots keep; from here on a long copy is felt by the whole server. */
const longHistory = 1_000_000

/** Everything that would make a full capture fail or that its operator should know; missing rights first. Changes nothing. */
export async function checkCapture(
  session: MysqlSession,
  settings: ResolvedMysqlAgentSettings,
  server: ServerFacts,
  inventory: ServerInventory,
): Promise<readonly Problem[]> {
  const schemas = inventory.schemas.map((schema) => schema.name)
  return [
    ...(await checkRights(session, settings, server, schemas)),
    ...checkBinlog(settings, server),
    ...(await checkLongQueries(session, settings)),
    ...(await checkHistory(session)),
    ...(await allSchemas(session)).filter(isForeignSchema).map(foreignSchema),
    ...checkInventory(settings, inventory),
  ]
}

function checkBinlog(settings: ResolvedMysqlAgentSettings, server: ServerFacts): Problem[] {
  if (!server.logBin) {
    const message = 'the server writes no binlog: restore is only possible to the moments of full backups'
    return [warning('UNSUPPORTED', message, 'Set log_bin and server_id in the configuration of the server, and restart it.')]
  }
  const problems: Problem[] = []
  if (server.binlogFormat !== undefined && server.binlogFormat !== 'ROW') {
    const message = `binlog_format is ${server.binlogFormat}: replaying it can give other rows than there were`
    problems.push(warning('INCONSISTENT', message, 'Run SET GLOBAL binlog_format = ROW, and set it in the configuration of the server.'))
  }
  if (settings.locking === 'none' && !server.supports.binlogSnapshotStatus) {
    const message = 'without a lock this server cannot tell whether the snapshots of the readers are of one moment'
    problems.push({ severity: 'error', code: 'INCONSISTENT', message, hint: 'Set locking to auto.' })
  }
  return problems
}

async function checkLongQueries(session: MysqlSession, settings: ResolvedMysqlAgentSettings): Promise<Problem[]> {
  const [longest] = await longQueries(session, settings.longQueryGuardSeconds)
  if (longest === undefined) return []
  const message = `query ${longest.id} of ${longest.user} has run for ${longest.seconds} s: the lock of the snapshot would wait for it, and everybody else behind the lock`
  const hint = `Wait for it, or end it with KILL QUERY ${longest.id}.`
  return [{ severity: settings.longQueryAction === 'refuse' ? 'error' : 'warning', code: 'CONFLICT', message, hint }]
}

async function checkHistory(session: MysqlSession): Promise<Problem[]> {
  const [row] = await session.rows("SHOW GLOBAL STATUS LIKE 'Innodb_history_list_length'", 'reading the history list length')
  const length = Number(row?.at(1) ?? '0')
  if (length < longHistory) return []
  const message = `InnoDB keeps ${length} old versions already, and a long snapshot adds to them`
  return [warning('OVERLOADED', message, 'Look for old transactions in information_schema.innodb_trx, or run at a quieter time.')]
}

function foreignSchema(schema: string): Problem {
  const hint = schema.startsWith('#mysql50#')
    ? `Run ALTER DATABASE \`${schema}\` UPGRADE DATA DIRECTORY NAME, or remove the directory.`
    : 'Remove the directory from the data directory of the server if it is no schema.'
  return warning('UNSUPPORTED', `${schema} is a directory and no schema; it is left out`, hint)
}

function checkInventory(settings: ResolvedMysqlAgentSettings, inventory: ServerInventory): Problem[] {
  const problems: Problem[] = []
  if (inventory.accounts !== undefined && 'failure' in inventory.accounts) {
    const { code, message, hint } = inventory.accounts.failure
    problems.push({ severity: 'error', code, message, hint: hint ?? 'Grant SELECT on mysql.*, or set users to false.', item: 'mysql' })
  }
  for (const schema of inventory.schemas) {
    const item = schema.name
    if (schema.failure !== undefined) {
      const { code, message, hint } = schema.failure
      problems.push({ severity: 'error', code, message, hint: hint ?? 'Repair what the message names, or leave this schema out.', item })
      continue
    }
    const loose: string[] = []
    const keyless: string[] = []
    for (const { table, key, estimatedBytes } of schema.inventory.tables) {
      if (table.dataLeftOut !== undefined) {
        const hint = 'Back up the server that keeps the rows, or leave this table out with excludeTables.'
        problems.push({ ...warning('UNSUPPORTED', `rows of ${item}.${table.name} are left out: ${table.dataLeftOut}`, hint), item })
      } else if (!table.transactional) loose.push(`${table.name} (${table.engine === '' ? 'unknown engine' : table.engine})`)
      if (key === undefined && estimatedBytes > settings.chunkBytes) keyless.push(table.name)
    }
    if (loose.length > 0) problems.push({ ...looseTables(settings, item, loose), item })
    if (keyless.length > 0) {
      const message = `${count(keyless, 'large table')} of ${item} ${keyless.length === 1 ? 'has no usable unique key and is' : 'have no usable unique key and are'} read by one reader${keyless.length === 1 ? '' : ' each'}: ${some(keyless)}`
      problems.push({
        ...warning(
          'UNSUPPORTED',
          message,
          keyless.length === 1 ? 'Add a primary key to this table.' : 'Add a primary key to these tables.',
        ),
        item,
      })
    }
  }
  return problems
}

function looseTables(settings: ResolvedMysqlAgentSettings, schema: string, tables: readonly string[]): Problem {
  const message = `${count(tables, 'table')} of ${schema} ${tables.length === 1 ? 'has' : 'have'} an engine without snapshots: ${some(tables)}`
  const one = tables.length === 1
  const hint = `Convert ${one ? 'it' : 'them'} with ALTER TABLE … ENGINE=InnoDB.`
  if (settings.nonTransactionalTables === 'refuse') return { severity: 'error', code: 'UNSUPPORTED', message, hint }
  const outcome =
    settings.nonTransactionalTables === 'lock'
      ? `writers wait until ${one ? 'it is' : 'they are'} copied`
      : `${one ? 'it is copied as it is when it is' : 'they are copied as they are when they are'} read`
  return warning('INCONSISTENT', `${message}; ${outcome}`, hint)
}

function warning(code: Problem['code'], message: string, hint: string): Problem {
  return { severity: 'warning', code, message, hint }
}

function count(names: readonly string[], noun: string): string {
  return `${names.length} ${noun}${names.length === 1 ? '' : 's'}`
}

function some(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`
}
