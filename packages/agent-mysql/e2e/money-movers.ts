import { execFile } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import mysql, { type Connection } from 'mysql2/promise'
import { until } from './capture-fixture.ts'

const startBalance = 1000

/** Sessions that move money between accounts as fast as they can, and write each transfer down in the same transaction. */
export class MoneyMovers implements AsyncDisposable {
  readonly total: string
  readonly #server: ThrowawayMariadb
  #stopping = false
  #transfers = 0
  #work: Promise<void>[] = []

  private constructor(server: ThrowawayMariadb, accounts: number) {
    this.#server = server
    this.total = String(accounts * startBalance)
  }

  static async start(server: ThrowawayMariadb, options: { readonly accounts: number; readonly movers: number }): Promise<MoneyMovers> {
    await server.client(`CREATE OR REPLACE DATABASE bank; USE bank; CREATE TABLE account (id INT PRIMARY KEY, balance BIGINT NOT NULL);
      INSERT INTO account SELECT seq, ${startBalance} FROM seq_1_to_${options.accounts};
      CREATE TABLE journal (id BIGINT AUTO_INCREMENT PRIMARY KEY, source INT, target INT, amount INT, made DATETIME(6) NOT NULL)`)
    const movers = new MoneyMovers(server, options.accounts)
    for (let index = 0; index < options.movers; index++) movers.#work.push(movers.#move(options.accounts, index))
    return movers
  }

  async #move(accounts: number, seed: number): Promise<void> {
    const { host, port, user, rootPassword: password } = this.#server
    const connection: Connection = await mysql.createConnection({ host, port, user, password, database: 'bank' })
    try {
      for (let turn = seed; !this.#stopping; turn += 7) {
        const [from, to] = [(turn % accounts) + 1, ((turn * 31 + 11) % accounts) + 1]
        // In the order of their numbers, so that no two wait for each other.
        const [first, second] = from < to ? [from, to] : [to, from]
        await connection.beginTransaction()
        await connection.query('SELECT balance FROM account WHERE id IN (?, ?) ORDER BY id FOR UPDATE', [first, second])
        await connection.query('UPDATE account SET balance = balance - 1 WHERE id = ?', [from])
        await connection.query('UPDATE account SET balance = balance + 1 WHERE id = ?', [to])
        await connection.query('INSERT INTO journal (source, target, amount, made) VALUES (?, ?, 1, UTC_TIMESTAMP(6))', [from, to])
        await connection.commit()
        this.#transfers++
      }
    } finally {
      connection.destroy()
    }
  }

  /** Waits for so many more transfers. */
  async moved(count: number): Promise<void> {
    const goal = this.#transfers + count
    await until(`${count} transfers`, async () => (this.#transfers >= goal ? true : undefined), 60_000)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#work)
    this.#work = []
  }

  async totalOn(server: ThrowawayMariadb): Promise<string> {
    return (await server.client('SELECT SUM(balance) FROM bank.account')).trim()
  }

  /** Whether balances are what the transfers say, and when the last of them was made. */
  async journalOn(server: ThrowawayMariadb): Promise<{ readonly balancesMatch: boolean; readonly lastMilliseconds: number }> {
    const wrong = await server.client(`SELECT COUNT(*) FROM bank.account a WHERE balance <> ${startBalance}
      + (SELECT COALESCE(SUM(amount), 0) FROM bank.journal WHERE target = a.id) - (SELECT COALESCE(SUM(amount), 0) FROM bank.journal WHERE source = a.id)`)
    const last = await server.client(
      "SELECT COALESCE(UNIX_TIMESTAMP(MAX(made)), 0) FROM (SELECT CONVERT_TZ(made, '+00:00', @@session.time_zone) AS made FROM bank.journal) j",
    )
    return { balancesMatch: wrong.trim() === '0', lastMilliseconds: Number(last.trim()) * 1000 }
  }

  /** Everything that the server wrote from a position on, by the tools of the server. */
  async applyBinlogs(target: ThrowawayMariadb, position: Readonly<Record<string, string>> | undefined): Promise<void> {
    const { file = '', offset = '' } = position ?? {}
    const directory = join(this.#server.directory, 'data')
    const later = (await readdir(directory)).filter((name) => /^binlog\.\d+$/.test(name) && name >= file).sort()
    const { stdout } = await promisify(execFile)('mariadb-binlog', ['--no-defaults', `--start-position=${offset}`, ...later], {
      cwd: directory,
      maxBuffer: 1024 * 1024 * 1024,
      encoding: 'buffer',
    })
    await target.client(['--binary-mode'], { input: stdout })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
