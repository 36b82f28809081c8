import { startThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import mysql, { type Connection } from 'mysql2/promise'
import type { TestedServer } from '../capture-fixture.ts'

/**
 * The server that this suite runs on: the one that `BACKUP_PLANET_E2E_MYSQL` names as `host:port` (root, with the password in `BACKUP_PLANET_E2E_PASSWORD`), or
 * a throwaway MariaDB. Whatever schemas it has, but for its own, are dropped by the tests.
 */
export interface AnyServer extends TestedServer, AsyncDisposable {
  readonly isMariadb: boolean
  /** Runs statements one after the other. */
  run(...statements: readonly string[]): Promise<void>
  /** Rows as texts; bytes as latin1. */
  rows(sql: string): Promise<readonly (readonly (string | null)[])[]>
}

export async function anyServer(environment: NodeJS.ProcessEnv = process.env): Promise<AnyServer> {
  const named = environment.BACKUP_PLANET_E2E_MYSQL
  if (named === undefined) {
    const server = await startThrowawayMariadb()
    return await connected(server, () => server.stop())
  }
  const [, host, port] = /^([^:/@]+):(\d+)$/.exec(named) ?? []
  if (host === undefined) throw new Error(`BACKUP_PLANET_E2E_MYSQL is not host:port: ${named}`)
  const password = environment.BACKUP_PLANET_E2E_PASSWORD ?? ''
  return await connected({ host, port: Number(port), user: 'root', rootPassword: password }, async () => undefined)
}

async function connected({ host, port, user, rootPassword }: TestedServer, stop: () => Promise<void>): Promise<AnyServer> {
  const connection = await mysql.createConnection({ host, port, user, password: rootPassword, charset: 'utf8mb4' })
  const rows = (sql: string) => readRows(connection, sql)
  const [[version]] = (await rows('SELECT VERSION()')) as [[string]]
  return {
    host,
    port,
    user,
    rootPassword,
    isMariadb: /MariaDB/i.test(version),
    rows,
    run: async (...statements) => {
      for (const sql of statements) await connection.query(sql)
    },
    [Symbol.asyncDispose]: async () => {
      await connection.end()
      await stop()
    },
  }
}

async function readRows(connection: Connection, sql: string): Promise<readonly (readonly (string | null)[])[]> {
  const [rows] = await connection.query({ sql, rowsAsArray: true, typeCast: (field) => field.buffer() })
  return (rows as unknown as readonly (readonly (Buffer | null)[])[]).map((row) => row.map((value) => value?.toString('latin1') ?? null))
}

const ownSchemas = "'mysql', 'information_schema', 'performance_schema', 'sys', 'ndbinfo'"

export async function emptyAnyServer(server: AnyServer): Promise<void> {
  for (const [name = ''] of await server.rows(
    `SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN (${ownSchemas})`,
  )) {
    await server.run(`DROP DATABASE \`${name}\``)
  }
}

/** Everything in a schema: every definition as the server prints it, and every row, sorted. Counters of numbers that were only reserved are left out. */
export async function schemaState(server: AnyServer, schema: string): Promise<readonly string[]> {
  const state: string[] = []
  // Elsewhere the server prints the name of the schema in every view.
  await server.run(`USE \`${schema}\``)
  const show = async (what: string, name: string | null, column: number) => {
    const [row] = await server.rows(`SHOW CREATE ${what} \`${schema}\`.\`${name}\``)
    state.push((row?.[column] ?? '').replace(/ AUTO_INCREMENT=\d+/, ''))
  }
  const named = (column: string, view: string, of: string) =>
    server.rows(`SELECT ${column} FROM information_schema.${view} WHERE ${of} = '${schema}' ORDER BY 1, 2`)
  for (const [name = null, type] of await named('table_name, table_type', 'tables', 'table_schema')) {
    await show(type === 'VIEW' ? 'VIEW' : 'TABLE', name, 1)
    if (type !== 'VIEW')
      state.push(...(await server.rows(`SELECT * FROM \`${schema}\`.\`${name}\``)).map((row) => JSON.stringify(row)).sort())
  }
  for (const [name = null, type] of await named('routine_name, routine_type', 'routines', 'routine_schema')) await show(type ?? '', name, 2)
  for (const [name = null] of await named('trigger_name, action_order', 'triggers', 'trigger_schema')) await show('TRIGGER', name, 2)
  for (const [name = null] of await named('event_name, status', 'events', 'event_schema')) await show('EVENT', name, 3)
  return state
}

/** How the server names all that it has written. */
export async function writtenGtids(server: AnyServer): Promise<string> {
  const [row] = await server.rows(`SELECT @@GLOBAL.${server.isMariadb ? 'gtid_binlog_pos' : 'gtid_executed'}`)
  return (row?.[0] ?? '').replaceAll(/\s/g, '')
}
