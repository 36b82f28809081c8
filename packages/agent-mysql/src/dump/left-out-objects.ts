import type { Problem } from '@backup-planet/core'
import type { MysqlSession } from '../mysql-connection.ts'
import { errorNumber } from '../mysql-errors.ts'
import type { ServerFacts } from '../mysql-server.ts'

/** System tables that hold what somebody made and no item holds. */
const tables = [
  { table: 'servers', column: 'Server_name', what: 'server definitions (CREATE SERVER)', again: 'CREATE SERVER' },
  { table: 'func', column: 'name', what: 'loadable functions (CREATE FUNCTION … SONAME)', again: 'CREATE FUNCTION … SONAME' },
  { table: 'plugin', column: 'name', what: 'plugins (INSTALL PLUGIN)', again: 'INSTALL PLUGIN' },
] as const

/** What stands in system tables that are in no item, as warnings that name it. A table that the account may not read is passed over: that right is asked for elsewhere. */
export async function readLeftOutObjects(session: MysqlSession, server: ServerFacts): Promise<readonly Problem[]> {
  const problems: Problem[] = []
  for (const { table, column, what, again } of tables) {
    const names = await namesIn(session, table, column)
    if (names.length === 0) continue
    problems.push({
      severity: 'warning',
      code: 'UNSUPPORTED',
      message: `${what} are not captured: ${names.join(', ')}`,
      hint: `Note from mysql.${table} how they were made, and run ${again} on a ${server.flavour} server that is restored to, before its schemas.`,
    })
  }
  return problems
}

async function namesIn(session: MysqlSession, table: string, column: string): Promise<readonly string[]> {
  try {
    const rows = await session.rows(`SELECT ${column} AS name FROM mysql.${table} ORDER BY 1`, `listing mysql.${table}`)
    return rows.map((row) => row.text('name'))
  } catch (error) {
    if (errorNumber(error) === undefined) throw error
    return []
  }
}
