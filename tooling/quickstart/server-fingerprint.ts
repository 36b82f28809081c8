import { createHash } from 'node:crypto'
import type { ThrowawayMariadb } from '../servers/throwaway-mariadb.ts'

/** What a server holds, counted and hashed by its own tools: nothing of ours takes part. */
export interface ServerFingerprint {
  readonly rows: number
  readonly tables: number
  /** One line for each fact, such as `shop.customer 25000 rows, CHECKSUM TABLE 123`; equal servers have equal lines. */
  readonly lines: readonly string[]
}

export interface FingerprintSubject {
  readonly databases: readonly string[]
  /** As `'name'@'host'`. */
  readonly users: readonly string[]
  readonly roles: readonly string[]
}

/** Row counts and `CHECKSUM TABLE EXTENDED` of every table, `mariadb-dump` of every database, and every user with its grants. */
export async function fingerprintServer(server: ThrowawayMariadb, subject: FingerprintSubject): Promise<ServerFingerprint> {
  const names = await tablesOf(server, subject.databases)
  const counts = await linesOf(server, names.map((name) => `SELECT count(*) FROM ${name}`).join('; '))
  const checksums = await linesOf(server, `CHECKSUM TABLE ${names.join(', ')} EXTENDED`)
  const lines = names.map((name, index) => `${name} ${counts[index]} rows, CHECKSUM TABLE ${checksums[index]?.split('\t').at(-1)}`)
  for (const database of subject.databases) lines.push(`${database} mariadb-dump ${await dumpHash(server, database)}`)
  for (const user of subject.users) lines.push(...(await grantsOf(server, `SHOW CREATE USER ${user}; SHOW GRANTS FOR ${user}`)))
  for (const role of subject.roles) lines.push(...(await grantsOf(server, `SHOW GRANTS FOR ${role}`)))
  return { rows: counts.reduce((sum, count) => sum + Number(count), 0), tables: names.length, lines }
}

/** The lines that only one of the two has; none when they hold the same. */
export function differences(before: ServerFingerprint, after: ServerFingerprint): readonly string[] {
  const missing = before.lines.filter((line) => !after.lines.includes(line)).map((line) => `only before: ${line}`)
  const added = after.lines.filter((line) => !before.lines.includes(line)).map((line) => `only after:  ${line}`)
  return [...missing, ...added]
}

async function tablesOf(server: ThrowawayMariadb, databases: readonly string[]): Promise<readonly string[]> {
  const list = databases.map((name) => `'${name}'`).join(', ')
  const quoted = (column: string) => `concat('\`', replace(${column}, '\`', '\`\`'), '\`')`
  return linesOf(
    server,
    `SELECT concat(${quoted('table_schema')}, '.', ${quoted('table_name')}) FROM information_schema.tables
     WHERE table_schema IN (${list}) AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1`,
  )
}

/** The columns of a grant come in the order of a hash table, which two equal servers need not share. */
async function grantsOf(server: ThrowawayMariadb, sql: string): Promise<readonly string[]> {
  const inOrder = (columns: string) => `(${columns.split(', ').toSorted().join(', ')})`
  return (await linesOf(server, sql)).map((line) =>
    line.replace(/(?<=^GRANT [^()]*)\(([^)]*)\)/g, (_all, columns: string) => inOrder(columns)),
  )
}

async function linesOf(server: ThrowawayMariadb, sql: string): Promise<readonly string[]> {
  return (await server.client(sql)).split('\n').filter((line) => line !== '')
}

async function dumpHash(server: ThrowawayMariadb, database: string): Promise<string> {
  const contents = ['--skip-comments', '--routines', '--triggers', '--events', '--hex-blob', '--order-by-primary', '--single-transaction']
  const dump = await server.dump([...contents, '--default-character-set=utf8mb4', '--databases', database])
  return createHash('sha256').update(dump).digest('hex').slice(0, 16)
}
