import type { MysqlSession } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import { quoteTable, quoteText } from '../mysql-quoting.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { withoutAutoIncrement } from './program-text.ts'
import type { SchemaInventory } from './schema-inventory.ts'

/**
 * What differs between two readings of a schema, as phrases such as `table orders was altered`; empty when nothing does. Equal
 * readings before and after the snapshot mean that the definitions are those of the snapshot.
 */
export function structureChanges(before: SchemaInventory, after: SchemaInventory): readonly string[] {
  const old = definitions(before)
  const fresh = definitions(after)
  const changes: string[] = []
  for (const [name, text] of old) {
    const now = fresh.get(name)
    if (now === undefined) changes.push(`${name} was dropped or renamed`)
    else if (now !== text) changes.push(`${name} was altered`)
  }
  for (const name of fresh.keys()) if (!old.has(name)) changes.push(`${name} was created`)
  return changes
}

function definitions(inventory: SchemaInventory): ReadonlyMap<string, string> {
  const { schema, sequences, tables, views, routines, triggers, events } = inventory
  return new Map([
    [`schema ${schema.name}`, schema.create],
    ...sequences.map((sequence): [string, string] => [`sequence ${sequence.name}`, sequence.create]),
    ...tables.map(({ table }): [string, string] => [`table ${table.name}`, withoutAutoIncrement(table.create)]),
    ...views.map((view): [string, string] => [`view ${view.name}`, JSON.stringify(view)]),
    ...routines.map((routine): [string, string] => [`${routine.kind} ${routine.name}`, JSON.stringify(routine)]),
    ...triggers.map((trigger): [string, string] => [`trigger ${trigger.name}`, JSON.stringify(trigger)]),
    // The status of a one-time event changes by itself.
    ...events.map((event): [string, string] => [
      `event ${event.name}`,
      JSON.stringify({ ...event, status: '', create: withoutStatus(event.create) }),
    ]),
  ])
}

function withoutStatus(create: string): string {
  return create.replace(/\b(ENABLE|DISABLE|DISABLE ON SLAVE|DISABLE ON REPLICA)\b(?= (COMMENT|DO)\b)/, '')
}

/**
 * InnoDB's own numbers of the tables and partitions of a schema, as `table` or `table#P#partition`: a table that was rebuilt,
 * truncated or swapped for another has a new one, even where its definition reads the same. Empty where the account may not see them.
 *
 * @param table only this one and its partitions
 */
export async function innodbNumbers(
  session: MysqlSession,
  server: ServerFacts,
  schema: string,
  table?: string,
): Promise<ReadonlyMap<string, string>> {
  const view = server.flavour !== 'mariadb' && server.versionNumbers[0] >= 8 ? 'innodb_tables' : 'innodb_sys_tables'
  const inner = "SUBSTRING(name, LOCATE('/', name) + 1)"
  const plainName = `CONVERT(CONVERT(CAST(SUBSTRING_INDEX(${inner}, '#', 1) AS BINARY) USING filename) USING utf8mb4)`
  try {
    const rows = await session.rows(
      `SELECT ${plainName} AS plain_name, ${inner} AS inner_name, table_id FROM information_schema.${view}` +
        ` WHERE SUBSTRING_INDEX(name, '/', 1) = CONVERT(CONVERT(${quoteText(schema)} USING filename) USING binary)` +
        (table === undefined
          ? ''
          : ` AND SUBSTRING_INDEX(${inner}, '#', 1) = CONVERT(CONVERT(${quoteText(table)} USING filename) USING binary)`),
      `reading the table numbers of schema ${schema}`,
    )
    return new Map(
      rows.map((row) => {
        const partition = /#.*$/.exec(row.text('inner_name'))?.[0] ?? ''
        return [`${row.text('plain_name')}${partition}`, row.text('table_id')]
      }),
    )
  } catch (error) {
    if (errorNumber(error) === undefined) throw error
    return new Map()
  }
}

/** Whether a table is still what it was, asked when its last row has been read; a phrase when it is not. */
export async function tableChange(
  session: MysqlSession,
  schema: string,
  table: { readonly name: string; readonly create: string },
): Promise<string | undefined> {
  try {
    const [row] = await session.rows(`SHOW CREATE TABLE ${quoteTable(schema, table.name)}`, `comparing table ${schema}.${table.name}`)
    return withoutAutoIncrement(row?.at(1) ?? '') === withoutAutoIncrement(table.create) ? undefined : `table ${table.name} was altered`
  } catch (error) {
    const number = errorNumber(error)
    if (number === 1146 || number === 1049) return `table ${table.name} was dropped or renamed`
    throw error
  }
}

/** Numbers of one table, its partitions included, that differ. */
export function numberChange(table: string, before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string | undefined {
  for (const [name, number] of before) {
    if (name !== table && !name.startsWith(`${table}#`)) continue
    if (after.get(name) !== number) return `table ${table} was rebuilt, truncated or replaced`
  }
  return undefined
}
