import { BackupError, type ItemFailure, throwIfAborted } from '@backup-planet/core'
import type { DumpAccount } from '../dump-layout.ts'
import type { ResolvedMysqlAgentSettings } from '../mysql-agent-settings.ts'
import type { MysqlSession } from '../mysql-connection.ts'
import { mysqlError } from '../mysql-errors.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { readAccounts } from './account-inventory.ts'
import { schemaIsSelected } from './name-selection.ts'
import { readSchemaInventory, type SchemaInventory } from './schema-inventory.ts'
import { innodbNumbers, numberChange, structureChanges } from './structure-changes.ts'

export type InventoriedSchema =
  | { readonly name: string; readonly failure: ItemFailure }
  | {
      readonly name: string
      readonly failure?: undefined
      readonly inventory: SchemaInventory
      readonly innodbNumbers: ReadonlyMap<string, string>
    }

/** Every selected schema and the accounts; what could not be read is a failure of its item. */
export interface ServerInventory {
  readonly schemas: readonly InventoriedSchema[]
  /** Left out when the settings or the request leave it out. */
  readonly accounts: { readonly accounts: readonly DumpAccount[] } | { readonly failure: ItemFailure } | undefined
}

export interface ServerInventoryOptions {
  readonly settings: ResolvedMysqlAgentSettings
  readonly server: ServerFacts
  /** Schemas to read, from {@link selectedSchemas}. */
  readonly schemas: readonly string[]
  readonly accounts: boolean
  readonly signal?: AbortSignal | undefined
}

/** Names of the schemas that the settings select, in the order of the server. */
export async function selectedSchemas(session: MysqlSession, settings: ResolvedMysqlAgentSettings): Promise<readonly string[]> {
  return (await allSchemas(session)).filter((schema) => schemaIsSelected(settings, schema))
}

export async function allSchemas(session: MysqlSession): Promise<readonly string[]> {
  const rows = await session.rows('SELECT schema_name FROM information_schema.schemata ORDER BY schema_name', 'listing the schemas')
  return rows.map((row) => row.text('schema_name'))
}

export async function readServerInventory(session: MysqlSession, options: ServerInventoryOptions): Promise<ServerInventory> {
  const { settings, server, signal } = options
  const engines = await transactionalEngines(session)
  const schemas: InventoriedSchema[] = []
  for (const name of options.schemas) {
    throwIfAborted(signal, 'reading the definitions')
    try {
      const inventory = await readSchemaInventory(session, server, settings, name, engines)
      schemas.push({ name, inventory, innodbNumbers: await innodbNumbers(session, server, name) })
    } catch (error) {
      schemas.push({ name, failure: itemFailure(error, `reading the definitions of schema ${name}`) })
    }
  }
  return { schemas, accounts: options.accounts ? await accountsOf(session, options) : undefined }
}

async function accountsOf(session: MysqlSession, options: ServerInventoryOptions): Promise<ServerInventory['accounts']> {
  try {
    return { accounts: await readAccounts(session, options.server, options.settings.systemUsers) }
  } catch (error) {
    return { failure: itemFailure(error, 'reading the accounts') }
  }
}

/** Engines that take part in a snapshot. */
export async function transactionalEngines(session: MysqlSession): Promise<ReadonlySet<string>> {
  const rows = await session.rows("SELECT engine FROM information_schema.engines WHERE transactions = 'YES'", 'listing the engines')
  return new Set(rows.map((row) => row.text('engine')))
}

/** The failure of an item; a lost connection or an abort concerns the whole run and is thrown on. */
export function itemFailure(error: unknown, during: string): ItemFailure {
  const failure = mysqlError(error, during)
  if (!BackupError.is(failure) || ['ABORTED', 'UNREACHABLE'].includes(failure.code)) throw failure
  return { code: failure.code, message: failure.message, ...(failure.hint === undefined ? {} : { hint: failure.hint }) }
}

/** What changed between two inventories, as phrases; empty when they are the same. */
export function inventoryChanges(before: ServerInventory, after: ServerInventory): readonly string[] {
  const fresh = new Map(after.schemas.map((schema) => [schema.name, schema]))
  return before.schemas.flatMap((schema) => {
    const now = fresh.get(schema.name)
    if (schema.failure !== undefined || now === undefined || now.failure !== undefined) {
      return (schema.failure === undefined) === (now !== undefined && now.failure === undefined)
        ? []
        : [`schema ${schema.name} was changed`]
    }
    const changes = structureChanges(schema.inventory, now.inventory)
    const replaced = schema.inventory.tables.map(({ table }) => numberChange(table.name, schema.innodbNumbers, now.innodbNumbers))
    return [...changes, ...replaced.filter((change) => change !== undefined)].map((change) => `${change} in schema ${schema.name}`)
  })
}
