import type { CapturePlan, SourceItem } from '@backup-planet/core'
import type { ServerInventory } from './dump/server-inventory.ts'
import { lockMethods } from './dump/snapshot-lock.ts'
import { accountsItem } from './dump-layout.ts'
import type { ResolvedMysqlAgentSettings } from './mysql-agent-settings.ts'
import type { ServerFacts } from './mysql-server.ts'

/** The numbered steps of a full capture of this server with these settings. */
export function planCapture(
  settings: ResolvedMysqlAgentSettings,
  server: ServerFacts,
  source: string,
  inventory: ServerInventory,
): CapturePlan {
  const items = sourceItems(inventory)
  const tables = inventory.schemas.flatMap((schema) => (schema.failure === undefined ? schema.inventory.tables : []))
  const loose = tables.filter(({ table }) => !table.transactional && table.dataLeftOut === undefined).length
  const [lock] = lockMethods(settings.locking, server)
  const texts = [
    `read the definitions of ${inventory.schemas.length} schemas with ${tables.length} tables on ${source}, ${server.version}`,
    `connect ${settings.threads} readers, each in a thread of its own`,
    ...(settings.longQueryGuardSeconds === 0
      ? []
      : [
          `${settings.longQueryAction === 'wait' ? 'wait until' : 'refuse unless'} no query has run for ${settings.longQueryGuardSeconds} s, because the lock would stall the server behind it`,
        ]),
    ...(ddlStep(settings, server) ?? []),
    lock === undefined ? '' : lockStep(lock, settings),
    ...(settings.binlogRotate && server.logBin && lock !== 'none'
      ? ['begin a new binlog file, so that later log backups follow without an offset']
      : []),
    `${server.logBin ? 'read the binlog position and ' : ''}begin the snapshot of every reader`,
    ...(loose > 0 ? [looseStep(settings, loose)] : []),
    ...(lock === 'none' ? [] : ['release the lock: the application writes again']),
    'read the definitions once more, and begin again when they have changed meanwhile',
    `copy the rows of ${tables.length} tables in files of up to ${settings.chunkBytes} bytes of text, the biggest first`,
    `compare the definition of each table with the one at the snapshot${settings.verify === 'none' ? '' : settings.verify === 'rows' ? ', and its number of rows with that of the server' : ', its number of rows with that of the server, and record a checksum'}`,
    ...(inventory.accounts === undefined ? [] : ['copy users, roles and grants']),
  ].filter((text) => text !== '')
  const bytes = items.reduce((sum, item) => sum + (item.bytes ?? 0), 0)
  return {
    application: 'mysql',
    source,
    kind: 'full',
    items,
    bytes,
    steps: texts.map((text, index) => ({ number: index + 1, text })),
  }
}

/** Items as an operator sees them. */
export function sourceItems(inventory: ServerInventory): readonly SourceItem[] {
  return [
    ...inventory.schemas.map((schema): SourceItem => {
      if (schema.failure !== undefined) return { name: schema.name, detail: schema.failure.message }
      const { tables, views } = schema.inventory
      const bytes = tables.reduce((sum, table) => sum + table.estimatedBytes, 0)
      return { name: schema.name, bytes, detail: `${plural(tables.length, 'table')}, ${plural(views.length, 'view')}` }
    }),
    ...(inventory.accounts === undefined ? [] : [{ name: accountsItem, detail: 'users, roles and grants' }]),
  ]
}

function ddlStep(settings: ResolvedMysqlAgentSettings, server: ServerFacts): readonly string[] | undefined {
  if (settings.ddlGuard === 'mdl') return ['touch every table, so that ALTER waits until the copy ends']
  const instance = settings.ddlGuard === 'instance' || (settings.ddlGuard === 'auto' && server.supports.lockInstance)
  return instance ? ['take LOCK INSTANCE FOR BACKUP, which keeps structure from changing until the copy ends'] : undefined
}

function lockStep(method: string, settings: ResolvedMysqlAgentSettings): string {
  const limit = `at most ${settings.lockAttempts} times for ${settings.lockTimeoutSeconds} s`
  if (method === 'stage') return `take BACKUP STAGE up to BLOCK_COMMIT, held for less than a second, trying ${limit}`
  if (method === 'ftwrl') return `take FLUSH TABLES WITH READ LOCK, held for less than a second, trying ${limit}`
  if (method === 'lockTables') return `take LOCK TABLES … READ on every table, held for less than a second, trying ${limit}`
  return 'take no lock, and begin again when the snapshots turn out to be of different moments'
}

function looseStep(settings: ResolvedMysqlAgentSettings, count: number): string {
  const tables = `${count === 1 ? 'the table' : `the ${count} tables`} without snapshots`
  return settings.nonTransactionalTables === 'lock'
    ? `lock ${tables} for reading, copy ${count === 1 ? 'it' : 'them'} first and unlock`
    : `copy ${tables} as they are when they are read`
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
