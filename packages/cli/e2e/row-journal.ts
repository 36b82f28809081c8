import { setTimeout as delay } from 'node:timers/promises'
import type { ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise'

/** What one transaction has done, as its writer knows it. */
interface JournalEntry {
  /** Right before and after its COMMIT, in milliseconds since 1970; where the answer was lost, until the connection was. */
  readonly committed: readonly [after: number, before: number]
  readonly id: number
  /** Rows of `shop.line` by id; `undefined` for one that is gone. */
  readonly rows: ReadonlyMap<number, string | undefined>
}

export interface JournalSettings {
  readonly writers: number
  /** Between two transactions of a writer. */
  readonly pauseMilliseconds: number
  readonly random: () => number
}

/** A commit is not taken to be in a second that is this near. */
const toleranceMilliseconds = 30
const reconnectEveryMilliseconds = 50
const reconnectWithinMilliseconds = 600_000

/** The rows of the source and of what was restored, in the words of `stateBefore`. */
export function rowsOf(server: ThrowawayMariadb): Promise<string> {
  return server.client('SELECT id, HEX(a) FROM shop.line ORDER BY id; SELECT id FROM shop.made ORDER BY id')
}

/**
 * Writers who change rows without end and note what they have done, row by row. A server that dies and comes back is gone on with; whether a transaction
 * whose COMMIT was not answered happened is asked of the server, which has it whole or not at all.
 */
export class RowJournal {
  readonly #server: ThrowawayMariadb
  readonly #settings: JournalSettings
  readonly #entries: JournalEntry[] = []
  #work: readonly Promise<void>[] = []
  #stopping = false
  #lastId = 0
  #lastRow = 0
  /** Transactions whose COMMIT was not answered, and that had happened or not. */
  readonly uncertain = { happened: 0, not: 0 }

  private constructor(server: ThrowawayMariadb, settings: JournalSettings) {
    this.#server = server
    this.#settings = settings
  }

  static async start(server: ThrowawayMariadb, settings: JournalSettings): Promise<RowJournal> {
    await server.client(`CREATE DATABASE shop; CREATE TABLE shop.line (id INT PRIMARY KEY, a VARBINARY(100) NOT NULL) ENGINE=InnoDB;
      CREATE TABLE shop.made (id INT PRIMARY KEY) ENGINE=InnoDB`)
    const journal = new RowJournal(server, settings)
    journal.#work = Array.from({ length: settings.writers }, () => journal.#write())
    // Heard when they are waited for.
    for (const work of journal.#work) work.catch(() => undefined)
    return journal
  }

  get transactions(): number {
    return this.#entries.length
  }

  /** Resolves when every writer has ended its transaction; rejects with what went wrong with one. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#work)
  }

  /** Whether every transaction is either before or after this whole second, which is all that the log knows of times. */
  isBetweenTransactions(second: number): boolean {
    return this.#entries.every(
      ({ committed: [after, before] }) => before < second - toleranceMilliseconds || after > second + toleranceMilliseconds,
    )
  }

  /** What `rowsOf` says with just the transactions before a moment, in milliseconds since 1970; with all of them when left out. */
  stateBefore(moment = Number.POSITIVE_INFINITY): string {
    const rows = new Map<number, string>()
    const ids: number[] = []
    for (const entry of this.#entries) {
      if (entry.committed[0] >= moment) continue
      ids.push(entry.id)
      // Each writer has rows of its own, and its transactions are here in their order.
      for (const [id, value] of entry.rows) {
        if (value === undefined) rows.delete(id)
        else rows.set(id, value)
      }
    }
    const lines = [...rows].sort(([a], [b]) => a - b).map(([id, value]) => `${id}\t${value}\n`)
    return [...lines, ...ids.sort((a, b) => a - b).map((id) => `${id}\n`)].join('')
  }

  async #write(): Promise<void> {
    const own: number[] = []
    let connection = await this.#connect()
    try {
      while (!this.#stopping) {
        const id = ++this.#lastId
        const { rows, statements } = this.#changes(own)
        let after: number | undefined
        try {
          await connection.query('BEGIN')
          for (const statement of [...statements, `INSERT INTO shop.made VALUES (${id})`]) await connection.query(statement)
          after = Date.now()
          await connection.query('COMMIT')
          this.#note({ id, rows, committed: [after, Date.now()] }, own)
        } catch (error) {
          if (!isLost(error)) throw error
          const lostAt = Date.now()
          connection.destroy()
          connection = await this.#connect()
          const happened = await this.#happened(connection, id)
          if (after !== undefined) this.uncertain[happened ? 'happened' : 'not']++
          if (happened) this.#note({ id, rows, committed: [after ?? lostAt, lostAt] }, own)
        }
        await delay(this.#settings.pauseMilliseconds)
      }
    } finally {
      connection.destroy()
    }
  }

  #changes(own: readonly number[]): { readonly rows: Map<number, string | undefined>; readonly statements: readonly string[] } {
    const { random } = this.#settings
    const rows = new Map<number, string | undefined>()
    const statements: string[] = []
    for (let count = 1 + Math.floor(random() * 3); count > 0; count--) {
      const chosen = own[Math.floor(random() * own.length)]
      const kind = chosen === undefined || rows.has(chosen) ? 0 : random()
      const value = Buffer.from(Array.from({ length: 1 + Math.floor(random() * 40) }, () => Math.floor(random() * 256)))
        .toString('hex')
        .toUpperCase()
      if (chosen === undefined || kind < 0.5) {
        const id = ++this.#lastRow
        rows.set(id, value)
        statements.push(`INSERT INTO shop.line VALUES (${id}, x'${value}')`)
      } else if (kind < 0.8) {
        rows.set(chosen, value)
        statements.push(`UPDATE shop.line SET a = x'${value}' WHERE id = ${chosen}`)
      } else {
        rows.set(chosen, undefined)
        statements.push(`DELETE FROM shop.line WHERE id = ${chosen}`)
      }
    }
    return { rows, statements }
  }

  #note(entry: JournalEntry, own: number[]): void {
    this.#entries.push(entry)
    for (const [id, value] of entry.rows) {
      const place = own.indexOf(id)
      if (value === undefined) own.splice(place, 1)
      else if (place < 0) own.push(id)
    }
  }

  async #connect(): Promise<Connection> {
    const { host, port, user, rootPassword: password } = this.#server
    const deadline = Date.now() + reconnectWithinMilliseconds
    for (;;) {
      try {
        const connection = await createConnection({ host, port, user, password })
        connection.on('error', () => undefined)
        // Without locks on gaps, in which writers of different rows would wait for each other.
        await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED')
        return connection
      } catch (error) {
        if (!isLost(error) || Date.now() > deadline) throw error
        await delay(reconnectEveryMilliseconds)
      }
    }
  }

  async #happened(connection: Connection, id: number): Promise<boolean> {
    const [found] = await connection.query<RowDataPacket[]>(`SELECT id FROM shop.made WHERE id = ${id}`)
    return found.length > 0
  }
}

/** By the driver: such an error ends the connection; what the server says of a statement does not. */
function isLost(error: unknown): boolean {
  const { fatal, code } = error as { readonly fatal?: boolean; readonly code?: string }
  return fatal === true || code === 'ECONNREFUSED' || code === 'ECONNRESET' || code === 'EPIPE'
}
