import { createConnection } from 'mysql2/promise'

export interface ServerAddress {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
}

const accounts = 400
const openingBalance = 1000
export const bankSchema = 'bank'

/** Two tables of accounts, and a ledger with one row for every transfer: three places that must agree in any one moment. */
export const bankSql = `
CREATE DATABASE bank;
USE bank;
CREATE TABLE savings (id INT PRIMARY KEY, balance BIGINT NOT NULL) ENGINE=InnoDB;
CREATE TABLE current_accounts (id INT PRIMARY KEY, balance BIGINT NOT NULL) ENGINE=InnoDB;
CREATE TABLE ledger (id BIGINT AUTO_INCREMENT PRIMARY KEY, from_savings INT NOT NULL, to_current INT NOT NULL, amount INT NOT NULL) ENGINE=InnoDB;
CREATE TABLE filler (id INT PRIMARY KEY, text VARCHAR(250) NOT NULL) ENGINE=InnoDB;
INSERT INTO savings SELECT seq, ${openingBalance} FROM seq_1_to_${accounts};
INSERT INTO current_accounts SELECT seq, ${openingBalance} FROM seq_1_to_${accounts};
INSERT INTO filler SELECT seq, REPEAT(MD5(seq), 7) FROM seq_1_to_30000;
`

/** What must hold of any consistent copy; text that names what does not. */
export const bankInvariants: readonly { readonly name: string; readonly sql: (schema: string) => string }[] = [
  {
    name: 'no money appears or vanishes',
    sql: (schema) =>
      `SELECT (SELECT SUM(balance) FROM ${schema}.savings) + (SELECT SUM(balance) FROM ${schema}.current_accounts) - ${2 * accounts * openingBalance}`,
  },
  {
    name: 'savings lost exactly what the ledger moved',
    sql: (schema) =>
      `SELECT ${accounts * openingBalance} - (SELECT SUM(balance) FROM ${schema}.savings) - (SELECT COALESCE(SUM(amount), 0) FROM ${schema}.ledger)`,
  },
  {
    name: 'the ledger explains every single account',
    sql: (schema) =>
      `SELECT COUNT(*) FROM ${schema}.current_accounts a LEFT JOIN (SELECT to_current, SUM(amount) moved FROM ${schema}.ledger GROUP BY to_current) l
       ON l.to_current = a.id WHERE a.balance <> ${openingBalance} + COALESCE(l.moved, 0)`,
  },
]

export interface MoneyWriters {
  /** Transfers committed so far. */
  readonly transfers: number
  stop(): Promise<void>
}

/** Keeps moving money until stopped. */
export async function startMoneyWriters(server: ServerAddress, writers: number, random: () => number): Promise<MoneyWriters> {
  let stopping = false
  let transfers = 0
  const connections = await Promise.all(Array.from({ length: writers }, () => createConnection({ ...server, database: bankSchema })))
  const work = connections.map(async (connection) => {
    while (!stopping) {
      const from = 1 + Math.floor(random() * accounts)
      const to = 1 + Math.floor(random() * accounts)
      const amount = 1 + Math.floor(random() * 9)
      try {
        await connection.beginTransaction()
        await connection.execute('UPDATE savings SET balance = balance - ? WHERE id = ?', [amount, from])
        await connection.execute('INSERT INTO ledger (from_savings, to_current, amount) VALUES (?, ?, ?)', [from, to, amount])
        await connection.execute('UPDATE current_accounts SET balance = balance + ? WHERE id = ?', [amount, to])
        await connection.commit()
        transfers++
      } catch (error) {
        if (!isDeadlock(error)) throw error
        await connection.rollback()
      }
    }
  })
  return {
    get transfers() {
      return transfers
    },
    async stop() {
      stopping = true
      await Promise.all(work)
      await Promise.all(connections.map((connection) => connection.end()))
    },
  }
}

function isDeadlock(error: unknown): boolean {
  return (error as { errno?: number }).errno === 1213
}
