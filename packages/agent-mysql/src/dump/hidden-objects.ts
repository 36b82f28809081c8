import { BackupError } from '@backup-planet/core'
import type { MysqlSession } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import { quoteIdentifier } from '../mysql-quoting.ts'
import type { SchemaInventory } from './schema-inventory.ts'

/** How many routines and events the system tables hold, by schema; `undefined` where there are no such tables or the account may not read them. */
export interface ProgramCounts {
  readonly routines: ReadonlyMap<string, number> | undefined
  readonly events: ReadonlyMap<string, number> | undefined
}

export async function readProgramCounts(session: MysqlSession): Promise<ProgramCounts> {
  return { routines: await countBySchema(session, 'proc'), events: await countBySchema(session, 'event') }
}

async function countBySchema(session: MysqlSession, table: 'proc' | 'event'): Promise<ReadonlyMap<string, number> | undefined> {
  try {
    const rows = await session.rows(
      `SELECT db, COUNT(*) AS count FROM mysql.${table} GROUP BY db`,
      `counting the programs of mysql.${table}`,
    )
    return new Map(rows.map((row) => [row.text('db'), row.number('count')]))
  } catch (error) {
    if (errorNumber(error) === undefined) throw error
    return undefined
  }
}

/** What `information_schema` left out of a schema although it is there: a second look, whatever the rights are. */
export async function hiddenObjects(
  session: MysqlSession,
  inventory: SchemaInventory,
  counts: ProgramCounts,
): Promise<BackupError | undefined> {
  const { name } = inventory.schema
  const shown = await session.rows(`SHOW FULL TABLES FROM ${quoteIdentifier(name)}`, `counting the tables of schema ${name}`)
  const pairs = [
    ['tables, views and sequences', shown.length, inventory.listed],
    ['routines', counts.routines === undefined ? undefined : (counts.routines.get(name) ?? 0), inventory.routines.length],
    ['events', counts.events === undefined ? undefined : (counts.events.get(name) ?? 0), inventory.events.length],
  ] as const
  const differing = pairs.find(([, counted, read]) => counted !== undefined && counted !== read)
  if (differing === undefined) return undefined
  const [what, counted, read] = differing
  return new BackupError(`schema ${name} has ${counted} ${what}, and ${read} could be read`, {
    code: 'INCONSISTENT',
    hint: 'Run again when no schema change is in progress; if it stays so, look at the rights of the account and run mariadb-check or mysqlcheck on mysql.*.',
  })
}
