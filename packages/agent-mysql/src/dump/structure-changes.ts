import type { MysqlSession } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import { quoteTable, quoteText } from '../mysql-quoting.ts'
import type { ServerRow } from '../mysql-rows.ts'
import type { ServerFacts } from '../mysql-server.ts'
import { definitionText } from './definition-text.ts'
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
 * Asks for InnoDB's own numbers of the tables and partitions of a schema: a table that was rebuilt, truncated or swapped for another has a
 * new one, even where its definition reads the same.
 *
 * @param table only this one and its partitions
 */
function innodbNumbersStatement(server: ServerFacts, schema: string, table?: string): string {
  const view = server.flavour !== 'mariadb' && server.versionNumbers[0] >= 8 ? 'innodb_tables' : 'innodb_sys_tables'
  const inner = "SUBSTRING(name, LOCATE('/', name) + 1)"
  const plainName = `CONVERT(CONVERT(CAST(SUBSTRING_INDEX(${inner}, '#', 1) AS BINARY) USING filename) USING utf8mb4)`
  return (
    `SELECT ${plainName} AS plain_name, ${inner} AS inner_name, table_id FROM information_schema.${view}` +
    ` WHERE SUBSTRING_INDEX(name, '/', 1) = CONVERT(CONVERT(${quoteText(schema)} USING filename) USING binary)` +
    (table === undefined
      ? ''
      : ` AND SUBSTRING_INDEX(${inner}, '#', 1) = CONVERT(CONVERT(${quoteText(table)} USING filename) USING binary)`)
  )
}

/** As `table` or `table#P#partition` → number. */
function numbersOf(rows: readonly ServerRow[]): ReadonlyMap<string, string> {
  return new Map(
    rows.map((row) => {
      const partition = /#.*$/.exec(row.text('inner_name'))?.[0] ?? ''
      return [`${row.text('plain_name')}${partition}`, row.text('table_id')]
    }),
  )
}

/** InnoDB's numbers of all tables of a schema. Empty where the account may not see them. */
export async function innodbNumbers(
  session: MysqlSession,
  server: ServerFacts,
  schema: string,
  table?: string,
): Promise<ReadonlyMap<string, string>> {
  try {
    return numbersOf(await session.rows(innodbNumbersStatement(server, schema, table), `reading the table numbers of schema ${schema}`))
  } catch (error) {
    if (errorNumber(error) === undefined) throw error
    return new Map()
  }
}

/** How a reader proves that what it has just read is the table of the snapshot. */
export interface TableProof {
  /** To be asked after the rows, in the transaction that read them: its metadata lock keeps the table from changing in between. */
  readonly statements: readonly string[]
  /** What the answers say has changed since the snapshot, as a phrase; `undefined` when nothing has. */
  change(answers: readonly (readonly ServerRow[])[]): string | undefined
}

/**
 * A table is what it was at the snapshot when its definition reads the same and InnoDB gives it and its partitions the same numbers. Without
 * numbers (`numbers` empty: the right PROCESS is missing) a table that was swapped for its twin is not found out.
 */
export function tableProof(
  server: ServerFacts,
  schema: string,
  table: { readonly name: string; readonly create: string },
  numbers: ReadonlyMap<string, string>,
): TableProof {
  const { name } = table
  return {
    statements: [
      `SHOW CREATE TABLE ${quoteTable(schema, name)}`,
      ...(numbers.size === 0 ? [] : [innodbNumbersStatement(server, schema, name)]),
    ],
    change([created = [], numbered]) {
      if (withoutAutoIncrement(definitionText(created[0], 1, `table ${schema}.${name}`)) !== withoutAutoIncrement(table.create))
        return `table ${name} was altered`
      return numbered === undefined ? undefined : numberChange(name, numbers, numbersOf(numbered))
    },
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

/**
 * Whether sequences, whose values were just read outside of the snapshot, are still those of the inventory; a phrase when one is not. Their
 * values only ever grow, so that a later one never gives a number twice.
 */
export async function sequenceChange(
  session: MysqlSession,
  server: ServerFacts,
  inventory: SchemaInventory,
  before: ReadonlyMap<string, string>,
): Promise<string | undefined> {
  if (inventory.sequences.length === 0) return undefined
  const schema = inventory.schema.name
  const after = before.size === 0 ? before : await innodbNumbers(session, server, schema)
  for (const { name, create } of inventory.sequences) {
    const [row] = await session.rows(`SHOW CREATE SEQUENCE ${quoteTable(schema, name)}`, `comparing sequence ${schema}.${name}`)
    if (row?.at(1) !== create || after.get(name) !== before.get(name)) return `sequence ${name} was altered or replaced`
  }
  return undefined
}
