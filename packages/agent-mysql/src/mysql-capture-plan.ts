import { type CapturePlan, describeBytes, type SourceItem } from '@backup-planet/core'
import { captureSteps } from './dump/capture-steps.ts'
import { inventoryWarnings } from './dump/inventory-warnings.ts'
import type { ServerInventory } from './dump/server-inventory.ts'
import { lockMethods } from './dump/snapshot-lock.ts'
import { accountsItem } from './dump-layout.ts'
import type { ResolvedMysqlAgentSettings } from './mysql-agent-settings.ts'
import { isUnprotected } from './mysql-protection.ts'
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
    `read the definitions of ${plural(inventory.schemas.length, 'schema')} with ${plural(tables.length, 'table')} on ${source}, ${server.version}${isUnprotected(settings) ? ', over a connection that is not encrypted' : ''}`,
    captureSteps.connect(settings),
    ...(settings.longQueryGuardSeconds === 0
      ? []
      : [
          `${settings.longQueryAction === 'wait' ? 'wait until' : 'refuse unless'} no query has run for ${settings.longQueryGuardSeconds} s, because the lock would stall the server behind it`,
        ]),
    ...(ddlStep(settings, server) ?? []),
    lock === undefined ? '' : captureSteps.lock(lock, settings),
    ...(settings.binlogRotate && server.logBin && lock !== 'none'
      ? ['begin a new binlog file, so that later log backups follow without an offset']
      : []),
    captureSteps.begin(server),
    ...(loose > 0 ? [captureSteps.copyLoose(settings, loose)] : []),
    ...(lock === 'none' ? [] : [captureSteps.release]),
    captureSteps.compareDefinitions,
    captureSteps.copyRows(tables.length, describeBytes(settings.chunkBytes)),
    `compare the definition of each table with the one at the snapshot${settings.verify === 'none' ? '' : settings.verify === 'rows' ? ', and its number of rows with that of the server' : ', its number of rows with that of the server, and record a checksum'}`,
    ...(inventory.accounts === undefined ? [] : [captureSteps.accounts]),
    ...inventoryWarnings(inventory).map((problem) => `note: ${problem.message}`),
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
  if (settings.ddlGuard === 'mdl') return [captureSteps.touch]
  const instance = settings.ddlGuard === 'instance' || (settings.ddlGuard === 'auto' && server.supports.lockInstance)
  return instance ? [captureSteps.instanceLock] : undefined
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
