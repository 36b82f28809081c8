import { abortError, BackupError, throwIfAborted } from '@backup-planet/core'
import mysql, { type Connection, type QueryOptions } from 'mysql2/promise'
import type { MysqlConnectionSettings } from './mysql-agent-settings.ts'
import { mysqlError, withoutStatement } from './mysql-errors.ts'
import { type ServerRow, serverRow } from './mysql-rows.ts'
import { driverOptions, setUpSession } from './mysql-session-setup.ts'

export { quoteIdentifier, quoteTable, quoteText } from './mysql-quoting.ts'
export type { ServerRow } from './mysql-rows.ts'

/** What the parts that only ask questions need of a connection; a scripted one plays servers that are not at hand. */
export interface MysqlSession {
  /** Rows of a SELECT or SHOW, every value as text. Throws a `BackupError`; `during` goes into its message. */
  rows(sql: string, during?: string): Promise<readonly ServerRow[]>
  /** A statement without rows. */
  run(sql: string, during?: string): Promise<void>
}

/** One session on the server, set up so that what it reads does not depend on the defaults of the server. */
export interface MysqlConnection extends MysqlSession, AsyncDisposable {
  readonly threadId: number
  /** For what this interface leaves out, such as `infileStreamFactory`. */
  readonly driver: Connection
  /** Ends with the connection: why it broke, or `undefined` when it was disposed. */
  readonly lost: Promise<BackupError | undefined>
  /** Stops the statement that runs now, by KILL QUERY from a second connection. Never throws; closes the connection when that is refused. */
  kill(): Promise<void>
}

export interface ConnectOptions {
  /** Aborting kills the running statement on the server and makes every later call throw `ABORTED`. */
  readonly signal?: AbortSignal | undefined
  /** Offers LOAD DATA LOCAL INFILE to the server; only for statements that bring their own stream. */
  readonly localFiles?: boolean
  /** Statements after the common ones. */
  readonly setup?: readonly string[]
}

/** Opens and sets up one session. Throws `UNREACHABLE`, `WRONG_CREDENTIALS`, `ACCESS_DENIED`, `ABORTED`. */
export async function connect(settings: MysqlConnectionSettings, options: ConnectOptions = {}): Promise<MysqlConnection> {
  const { signal } = options
  const place = settings.socketPath ?? `${settings.host}:${settings.port}`
  throwIfAborted(signal, `connecting to ${place}`)
  let driver: Connection
  try {
    driver = await openedUnlessAborted(mysql.createConnection(driverOptions(settings, options.localFiles)), signal, place)
  } catch (error) {
    throwIfAborted(signal, `connecting to ${place}`)
    throw mysqlError(error, `connecting to ${place} as ${settings.user}`)
  }
  const connection = new OpenConnection(settings, driver, signal)
  try {
    await setUpSession(driver)
    for (const sql of options.setup ?? []) await connection.run(sql, `setting up a session on ${place}`)
    return connection
  } catch (error) {
    await connection[Symbol.asyncDispose]()
    throw mysqlError(error, `setting up a session on ${place}`)
  }
}

/** A server that takes connections and says nothing must not hold up an abort; what is opened after it is closed again. */
async function openedUnlessAborted(opening: Promise<Connection>, signal: AbortSignal | undefined, place: string): Promise<Connection> {
  if (signal === undefined) return await opening
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(abortError(signal, `connecting to ${place}`))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([opening, aborted])
  } catch (error) {
    opening.then(
      (late) => late.destroy(),
      () => undefined,
    )
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

class OpenConnection implements MysqlConnection {
  readonly threadId: number
  readonly driver: Connection
  readonly lost: Promise<BackupError | undefined>
  readonly #settings: MysqlConnectionSettings
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: () => void
  #disposed: Promise<void> | undefined
  #busy = 0

  constructor(settings: MysqlConnectionSettings, driver: Connection, signal: AbortSignal | undefined) {
    this.#settings = settings
    this.driver = driver
    this.threadId = driver.threadId
    this.#signal = signal
    this.lost = new Promise((resolve) => {
      driver.on('error', (error) => resolve(lostError(error, driver.threadId)))
      driver.on('end', () => resolve(this.#disposed === undefined ? lostError(undefined, driver.threadId) : undefined))
    })
    this.#onAbort = () => void this.kill()
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  async rows(sql: string, during = describe(sql)): Promise<readonly ServerRow[]> {
    const [rows, fields] = await this.#query({ sql, rowsAsArray: true, typeCast: (field) => field.buffer() }, during)
    if (!Array.isArray(rows)) return []
    const names = fields.map((field) => field.name.toLowerCase())
    return rows.map((values) => serverRow(names, values, during))
  }

  async run(sql: string, during = describe(sql)): Promise<void> {
    await this.#query({ sql }, during)
  }

  async #query(query: QueryOptions, during: string) {
    throwIfAborted(this.#signal, during)
    this.#busy++
    try {
      return await this.driver.query(query)
    } catch (error) {
      if (this.#signal?.aborted) throw abortError(this.#signal, during)
      throw mysqlError(error, during)
    } finally {
      this.#busy--
    }
  }

  async kill(): Promise<void> {
    if (this.#busy === 0 || this.#disposed !== undefined) return
    await killQuery(this.#settings, this.threadId).catch(() => this.driver.destroy())
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#close()
    return this.#disposed
  }

  async #close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    if (this.#busy > 0) {
      await killQuery(this.#settings, this.threadId).catch(() => undefined)
      this.driver.destroy()
      return
    }
    const timer = setTimeout(() => this.driver.destroy(), 2000)
    await this.driver.end().catch(() => this.driver.destroy())
    clearTimeout(timer)
  }
}

/** Stops the running statement of another session of the same account. Throws when the server refuses or is gone. */
export async function killQuery(settings: MysqlConnectionSettings, threadId: number): Promise<void> {
  const control = await mysql.createConnection(driverOptions(settings))
  control.on('error', () => undefined)
  try {
    await control.query(`KILL QUERY ${threadId}`)
  } finally {
    control.destroy()
  }
}

/** Ends other sessions of the same account together with what they run. Ids that are gone already are passed over. */
export async function killConnections(settings: MysqlConnectionSettings, threadIds: readonly number[]): Promise<void> {
  const control = await mysql.createConnection(driverOptions(settings))
  control.on('error', () => undefined)
  try {
    for (const id of threadIds) await control.query(`KILL ${id}`).catch(() => undefined)
  } finally {
    control.destroy()
  }
}

function lostError(error: unknown, threadId: number): BackupError {
  return new BackupError(`the connection ${threadId} to the server was lost`, {
    code: 'UNREACHABLE',
    hint: 'Look at the error log of the server: it was restarted, or somebody killed the connection. Then run again.',
    ...(error === undefined ? {} : { cause: withoutStatement(error) }),
  })
}

/** The first words of a statement; the rest may hold a secret. */
function describe(sql: string): string {
  return sql.trim().split(/\s+/, 4).join(' ')
}
