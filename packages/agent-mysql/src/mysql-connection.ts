import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { abortError, BackupError, throwIfAborted } from '@backup-planet/core'
import mysql, { type Connection, type FieldPacket, type QueryOptions, type QueryResult } from 'mysql2/promise'
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
  /** For what lies below statements: the socket and its character set. */
  readonly driver: Connection
  /** Ends with the connection: why it broke, or `undefined` when it was disposed. */
  readonly lost: Promise<BackupError | undefined>
  /** A statement with all that the driver can do, such as `infileStreamFactory`. Throws a `BackupError`. */
  send<Result extends QueryResult>(query: QueryOptions, during: string): Promise<[Result, FieldPacket[]]>
}

export interface ConnectOptions {
  /**
   * Aborting kills the running statement on the server and makes it and every later call throw `ABORTED`, at the latest after a few seconds: a server
   * that says nothing is not waited for.
   */
  readonly signal?: AbortSignal | undefined
  /** Offers LOAD DATA LOCAL INFILE to the server; only for statements that bring their own stream. */
  readonly localFiles?: boolean
  /** Takes several statements in one text, and texts as bytes: every character stands for one. */
  readonly severalStatements?: boolean
  /** Statements after the common ones. */
  readonly setup?: readonly string[]
  /** Opens the socket instead of the driver; not for TLS. */
  readonly openSocket?: (settings: MysqlConnectionSettings) => Socket
}

/** Opens and sets up one session. Throws `UNREACHABLE`, `WRONG_CREDENTIALS`, `ACCESS_DENIED`, `ABORTED`. */
export async function connect(settings: MysqlConnectionSettings, options: ConnectOptions = {}): Promise<MysqlConnection> {
  const { signal } = options
  const place = settings.socketPath ?? `${settings.host}:${settings.port}`
  throwIfAborted(signal, `connecting to ${place}`)
  let driver: Connection
  try {
    const { openSocket } = options
    const stream = openSocket === undefined ? {} : { stream: () => openSocket(settings) }
    driver = await openedUnlessAborted(mysql.createConnection({ ...driverOptions(settings, options), ...stream }), signal, place)
  } catch (error) {
    throwIfAborted(signal, `connecting to ${place}`)
    throw mysqlError(error, `connecting to ${place} as ${settings.user}`)
  }
  const connection = new OpenConnection(settings, driver, signal)
  try {
    await setUpSession(driver)
    if (options.severalStatements === true) sendBytes(driver)
    for (const sql of options.setup ?? []) await connection.run(sql, `setting up a session on ${place}`)
    return connection
  } catch (error) {
    await connection[Symbol.asyncDispose]()
    throw mysqlError(error, `setting up a session on ${place}`)
  }
}

/** A server that takes connections and says nothing must not hold up an abort; what is opened after it is closed again. */
async function openedUnlessAborted(opening: Promise<Connection>, signal: AbortSignal | undefined, place: string): Promise<Connection> {
  try {
    return await unlessAborted(opening, signal, `connecting to ${place}`)
  } catch (error) {
    opening.then(
      (late) => late.destroy(),
      () => undefined,
    )
    throw error
  }
}

/** What `work` resolves with; throws `ABORTED` as soon as the signal says so, while the work may go on. */
export async function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal | undefined, during: string): Promise<Result> {
  if (signal === undefined) return await work
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(abortError(signal, during))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted])
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
  /** What gives up each statement that runs or waits for its turn. */
  readonly #running = new Set<(error: Error) => void>()

  constructor(settings: MysqlConnectionSettings, driver: Connection, signal: AbortSignal | undefined) {
    this.#settings = settings
    this.driver = driver
    this.threadId = driver.threadId
    this.#signal = signal
    this.lost = new Promise((resolve) => {
      driver.on('error', (error) => resolve(lostError(error, driver.threadId)))
      driver.on('end', () => resolve(this.#disposed === undefined ? lostError(undefined, driver.threadId) : undefined))
    })
    this.#onAbort = () => void this.#stop()
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  async rows(sql: string, during = describe(sql)): Promise<readonly ServerRow[]> {
    const [rows, fields] = await this.send({ sql, rowsAsArray: true, typeCast: (field) => field.buffer() }, during)
    if (!Array.isArray(rows)) return []
    const names = fields.map((field) => field.name.toLowerCase())
    return rows.map((values) => serverRow(names, values, during))
  }

  async run(sql: string, during = describe(sql)): Promise<void> {
    await this.send({ sql }, during)
  }

  async send<Result extends QueryResult>(query: QueryOptions, during: string): Promise<[Result, FieldPacket[]]> {
    throwIfAborted(this.#signal, during)
    const { promise: givenUp, reject: giveUp } = Promise.withResolvers<never>()
    this.#running.add(giveUp)
    try {
      return await Promise.race([this.driver.query<Result>(query), givenUp])
    } catch (error) {
      if (this.#signal?.aborted) throw abortError(this.#signal, during)
      throw mysqlError(error, during)
    } finally {
      this.#running.delete(giveUp)
    }
  }

  /** Ends what runs now on the server; closes the connection where that is refused or the server says nothing. */
  async #stop(): Promise<void> {
    if (this.#running.size === 0 || this.#disposed !== undefined) return
    await killQuery(this.#settings, this.threadId).catch(() => this.#abandon())
  }

  /** The driver itself would leave what runs on a closed connection without an answer. */
  #abandon(): void {
    this.driver.destroy()
    // Which only says goodbye, and waits for an answer.
    socketOf(this.driver).destroy()
    for (const giveUp of this.#running) giveUp(lostError(undefined, this.threadId))
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#close()
    return this.#disposed
  }

  async #close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    if (this.#running.size > 0) await killQuery(this.#settings, this.threadId).catch(() => undefined)
    if (this.#running.size > 0 || this.#signal?.aborted) return this.#abandon()
    const ended = this.driver.end().then(
      () => true,
      () => false,
    )
    if (!(await Promise.race([ended, delay(2000, false, { ref: false })]))) this.#abandon()
  }
}

/** What the driver sends and receives by; its types hide it. */
export function socketOf(driver: Connection): Socket {
  return (driver as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream
}

/** `binary`, which the driver writes without looking at it; the server is not told. */
const binaryCharacterSet = 63

/**
 * Statements from now on are texts whose characters are bytes, for what is in several character sets. The driver would change over to each that the server
 * tells it of.
 */
function sendBytes(driver: Connection): void {
  const { config } = (driver as unknown as { readonly connection: { readonly config: object } }).connection
  Object.defineProperty(config, 'charsetNumber', { get: () => binaryCharacterSet, set: () => undefined })
}

/** Stops the running statement of another session of the same account. Throws when the server refuses, is gone or says nothing. */
async function killQuery(settings: MysqlConnectionSettings, threadId: number): Promise<void> {
  await fromSecondConnection(settings, async (control) => void (await control.query(`KILL QUERY ${threadId}`)))
}

/** Ends other sessions of the same account together with what they run. Ids that are gone already are passed over. Throws when the server is gone or says nothing. */
export async function killConnections(settings: MysqlConnectionSettings, threadIds: readonly number[]): Promise<void> {
  await fromSecondConnection(settings, async (control) => {
    for (const id of threadIds) await control.query(`KILL ${id}`).catch(() => undefined)
  })
}

/** How long whoever gives up waits for the server to hear of it. */
const killMilliseconds = 3000

async function fromSecondConnection(settings: MysqlConnectionSettings, use: (control: Connection) => Promise<void>): Promise<void> {
  const opening = mysql.createConnection(driverOptions(settings))
  const work = opening.then(async (control) => {
    control.on('error', () => undefined)
    await use(control)
  })
  const late = new AbortController()
  try {
    await Promise.race([
      work,
      delay(killMilliseconds, undefined, { signal: late.signal }).then(() => Promise.reject(new Error('no answer'))),
    ])
  } finally {
    late.abort()
    opening.then(
      (control) => control.destroy(),
      () => undefined,
    )
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
