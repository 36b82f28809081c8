import { createHash } from 'node:crypto'
import { BackupError, type Json, type RestorePlan } from '@backup-planet/core'
import type { MysqlSession } from '../mysql-connection.ts'
import { quoteIdentifier, quoteText } from '../mysql-quoting.ts'

/** Schema on the target that says how far a restore has come; gone when it has ended. */
export const journalSchema = 'backup_planet_restore'

const journal = quoteIdentifier(journalSchema)

/** What a journal on the target says of the restore that began there. */
export interface JournalHead {
  readonly plan: RestorePlan
  readonly beganAt: string
}

/** The restore that was begun on this server and has not ended; `undefined` when there is none. Throws `CONFLICT` for one of another version. */
export async function readJournalHead(session: MysqlSession): Promise<JournalHead | undefined> {
  const found = await session.rows(
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${journalSchema}'`,
    'looking for a restore that was cut',
  )
  if (!found.some((row) => row.text('name') === 'run')) return undefined
  const [row] = await session.rows(`SELECT plan, began_at FROM ${journal}.run`, 'reading the journal of a restore that was cut')
  if (row === undefined) return undefined
  try {
    const plan = JSON.parse(row.text('plan')) as RestorePlan
    if (plan.contract === 'restore-plan/1') return { plan, beganAt: row.text('began_at') }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new BackupError(`the journal in schema ${journalSchema} cannot be read`, { code: 'CONFLICT', hint: abandonHint })
}

export const abandonHint = `Execute the same plan again to finish that restore; or, to give it up, set back what SELECT * FROM ${journalSchema}.kept lists (such as SET GLOBAL event_scheduler = ON), then run DROP DATABASE ${journalSchema} on the target and plan anew with overwriting.`

/**
 * What identifies the work: the same for a plan however often it is read from JSON, and whatever else is said of it besides. How logs are replayed does not
 * count: the journal means the same for both ways.
 */
export function planDigest({ problems: _problems, chain: _chain, steps: _steps, facts, request, ...work }: RestorePlan): string {
  const replay = facts?.replay
  const logs = typeof replay === 'object' && replay !== null ? withoutKey(replay as Readonly<Record<string, Json>>, 'way') : null
  return digestOf(sorted({ ...work, facts: { ...facts, replay: logs }, request: requestDigested(request) }))
}

/** A request without how logs are replayed. */
export function requestDigested(request: RestorePlan['request']): Json {
  return sorted({ ...request, options: withoutKey(request.options, 'replay') }) as Json
}

function withoutKey<Value>(object: Readonly<Record<string, Value>>, key: string): Readonly<Record<string, Value>> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key))
}

/** Keeps what is done, in the target itself, so that rows and the note that they are there are committed together. */
export class RestoreJournal {
  readonly #done: Set<string>

  private constructor(done: Set<string>) {
    this.#done = done
  }

  static async create(session: MysqlSession, plan: RestorePlan): Promise<RestoreJournal> {
    const during = 'creating the journal of the restore'
    await session.run(`DROP DATABASE IF EXISTS ${journal}`, during)
    await session.run(`CREATE DATABASE ${journal} CHARACTER SET utf8mb4`, during)
    await session.run(
      `CREATE TABLE ${journal}.done (id CHAR(64) CHARACTER SET ascii NOT NULL PRIMARY KEY, what TEXT NOT NULL, done_at DATETIME NOT NULL) ENGINE=InnoDB`,
      during,
    )
    await session.run(`CREATE TABLE ${journal}.kept (name VARCHAR(64) NOT NULL PRIMARY KEY, value TEXT NOT NULL) ENGINE=InnoDB`, during)
    await session.run(
      `CREATE TABLE ${journal}.run (id INT NOT NULL PRIMARY KEY, plan LONGTEXT NOT NULL, began_at VARCHAR(32) NOT NULL) ENGINE=InnoDB`,
      during,
    )
    // Last: a journal without this row is none.
    await session.run(
      `INSERT INTO ${journal}.run VALUES (1, ${quoteText(JSON.stringify(plan))}, ${quoteText(new Date().toISOString())})`,
      during,
    )
    return new RestoreJournal(new Set())
  }

  static async open(session: MysqlSession): Promise<RestoreJournal> {
    const rows = await session.rows(`SELECT id FROM ${journal}.done`, 'reading the journal of the restore')
    return new RestoreJournal(new Set(rows.map((row) => row.text('id'))))
  }

  isDone(...what: readonly string[]): boolean {
    return this.#done.has(digestOf(what))
  }

  /** Inside the transaction of the session, if there is one: call {@link committed} once that is committed. */
  async record(session: MysqlSession, ...what: readonly string[]): Promise<void> {
    await session.run(
      `INSERT IGNORE INTO ${journal}.done VALUES ('${digestOf(what)}', ${quoteText(what.join(' · ').slice(0, 1000))}, UTC_TIMESTAMP())`,
      `recording ${what.join(' ')}`,
    )
  }

  committed(...what: readonly string[]): void {
    this.#done.add(digestOf(what))
  }

  /** Does something unless it is done, and records it. It must be harmless to do it twice. */
  async once(session: MysqlSession, what: readonly string[], action: () => Promise<void>): Promise<void> {
    if (this.isDone(...what)) return
    await action()
    await this.record(session, ...what)
    this.committed(...what)
  }

  async forget(session: MysqlSession, ...what: readonly string[]): Promise<void> {
    await session.run(`DELETE FROM ${journal}.done WHERE id = '${digestOf(what)}'`, `forgetting ${what.join(' ')}`)
    this.#done.delete(digestOf(what))
  }

  /** A value of the server that must be set back; the first one kept wins. */
  async keep(session: MysqlSession, name: string, value: string): Promise<void> {
    await session.run(`INSERT IGNORE INTO ${journal}.kept VALUES (${quoteText(name)}, ${quoteText(value)})`, `keeping ${name}`)
  }

  async kept(session: MysqlSession): Promise<ReadonlyMap<string, string>> {
    const rows = await session.rows(`SELECT name, value FROM ${journal}.kept`, 'reading what must be set back')
    return new Map(rows.map((row) => [row.text('name'), row.text('value')]))
  }

  async remove(session: MysqlSession): Promise<void> {
    await session.run(`DROP DATABASE IF EXISTS ${journal}`, 'removing the journal of the restore')
  }
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}

/** The same value with keys in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, entry]) => [key, sorted(entry)]),
  )
}
