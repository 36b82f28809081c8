import type { Problem } from '@backup-planet/core'
import { brokenViewProblems } from './dump/broken-views.ts'
import { inventoryWarnings } from './dump/inventory-warnings.ts'
import type { ServerInventory } from './dump/server-inventory.ts'
import { longQueries } from './dump/snapshot-lock.ts'
import type { ResolvedMysqlAgentSettings } from './mysql-agent-settings.ts'
import type { MysqlSession } from './mysql-connection.ts'
import { isUnprotected } from './mysql-protection.ts'
import { checkRights, requiredRights } from './mysql-rights.ts'
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
    ...(await checkRights(session, requiredRights({ ...settings, users: inventory.accounts !== undefined }, server), schemas)),
    ...checkEncryption(settings),
    ...checkBinlog(settings, server),
    ...(await checkLongQueries(session, settings, 'the lock of the snapshot')),
    ...(await checkHistory(session)),
    ...inventoryWarnings(inventory),
    ...checkInventory(settings, inventory),
  ]
}

/** What the binlog says of what can be restored. */
export function checkBinlog(settings: Pick<ResolvedMysqlAgentSettings, 'locking'>, server: ServerFacts): Problem[] {
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

/** @param lock that would wait, such as `the lock of the snapshot` */
export async function checkLongQueries(session: MysqlSession, settings: ResolvedMysqlAgentSettings, lock: string): Promise<Problem[]> {
  const [longest] = await longQueries(session, settings.longQueryGuardSeconds)
  if (longest === undefined) return []
  const message = `query ${longest.id} of ${longest.user} has run for ${longest.seconds} s: ${lock} would wait for it, and everybody else behind the lock`
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

function checkInventory(settings: ResolvedMysqlAgentSettings, inventory: ServerInventory): Problem[] {
  const problems: Problem[] = []
  // Rights that are missing are said by the check of rights.
  if (inventory.accounts !== undefined && 'failure' in inventory.accounts && inventory.accounts.failure.code !== 'ACCESS_DENIED') {
    const { code, message, hint } = inventory.accounts.failure
    problems.push({ severity: 'error', code, message, hint: hint ?? 'Grant SELECT on mysql.*, or set users to false.', item: 'mysql' })
  }
  for (const schema of inventory.schemas) {
    const item = schema.name
    if (schema.failure !== undefined && !schema.lacksRights) {
      const { code, message, hint } = schema.failure
      problems.push({ severity: 'error', code, message, hint: hint ?? 'Repair what the message names, or leave this schema out.', item })
      continue
    }
    const seen = schema.failure === undefined ? schema.inventory : schema.visible
    if (seen === undefined) continue
    problems.push(...brokenViewProblems(item, seen.brokenViews))
    const loose: string[] = []
    const keyless: string[] = []
    for (const { table, key, estimatedBytes } of seen.tables) {
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

/** Nothing tells an operator that `ssl` was forgotten; `false` says that it was not. */
export function checkEncryption(settings: ResolvedMysqlAgentSettings): Problem[] {
  if (!isUnprotected(settings)) return []
  const message = `the connection to ${settings.host} is not encrypted: whoever is on its way reads every row, and the accounts with their hashes`
  return [
    warning(
      'UNSUPPORTED',
      message,
      'Set ssl: {} (or ssl.ca for an authority of your own), or ssl: false if the network is protected otherwise.',
    ),
  ]
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
