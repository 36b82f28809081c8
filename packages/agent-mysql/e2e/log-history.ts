import type { ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import type fc from 'fast-check'
import { connect, type MysqlConnection } from '../src/mysql-connection.ts'
import type { BackupChain } from './replay-fixture.ts'
import { resolved } from './restore-round-trip.ts'

export type HistoryStep =
  | { readonly do: 'write'; readonly writers: number; readonly transactions: number }
  | { readonly do: 'full' | 'log' | 'rotate' | 'purge' | 'reset' | 'restart' | 'kill' | 'alter' | 'wait' }

const stepNames = ['log', 'log', 'log', 'rotate', 'full', 'purge', 'reset', 'restart', 'kill', 'alter', 'wait'] as const

/** Histories of a server: a full backup, then anything, with writers between, and a log at the end. */
export function histories(arbitrary: typeof fc): fc.Arbitrary<readonly HistoryStep[]> {
  const write = arbitrary.record({
    do: arbitrary.constant('write' as const),
    writers: arbitrary.integer({ min: 1, max: 3 }),
    transactions: arbitrary.integer({ min: 1, max: 12 }),
  })
  const other = arbitrary.constantFrom(...stepNames).map((name) => ({ do: name }) as HistoryStep)
  return arbitrary
    .array(arbitrary.oneof({ weight: 2, arbitrary: write as fc.Arbitrary<HistoryStep> }, { weight: 3, arbitrary: other }), {
      minLength: 4,
      maxLength: 12,
    })
    .map(
      (steps) =>
        [
          { do: 'full' },
          { do: 'write', writers: 2, transactions: 6 },
          ...steps,
          { do: 'write', writers: 1, transactions: 2 },
          { do: 'log' },
        ] as const,
    )
}

/** What one transaction has done, as its writer knows it. */
export interface JournalEntry {
  readonly gtid: string
  /** Which history of the server's binlogs: RESET MASTER begins another. */
  readonly era: number
  /** Right before and after its COMMIT, in milliseconds by the clock of the server. */
  readonly committed: readonly [after: number, before: number]
  /** Rows of `d.t` by id; `undefined` for one that is gone. */
  readonly rows: ReadonlyMap<number, string | undefined>
  /** Right behind it in the binlog, where nobody else wrote meanwhile. */
  readonly place?: { readonly file: string; readonly offset: string }
}

/** A server with its writers, and the journal that they keep. */
export class History {
  readonly #server: ThrowawayMariadb
  readonly #chain: BackupChain
  readonly #random: () => number
  readonly journal: JournalEntry[] = []
  #era = 0
  #nextId = 1
  #columns = 0
  readonly #live: number[] = []

  constructor(server: ThrowawayMariadb, chain: BackupChain, random: () => number) {
    this.#server = server
    this.#chain = chain
    this.#random = random
  }

  async begin(): Promise<void> {
    await this.#server.client(`RESET MASTER; CREATE DATABASE d CHARACTER SET utf8mb4;
      CREATE TABLE d.t (id INT PRIMARY KEY, a VARBINARY(100), KEY (a)) ENGINE=InnoDB;
      CREATE TABLE d.keyless (id INT, n INT) ENGINE=InnoDB; CREATE TABLE d.loose (id INT, a INT) ENGINE=MyISAM;
      CREATE TRIGGER d.keep AFTER INSERT ON d.t FOR EACH ROW INSERT INTO d.keyless VALUES (NEW.id, 1)`)
  }

  async run(step: HistoryStep): Promise<void> {
    switch (step.do) {
      case 'write':
        return await this.#write(step.writers, step.transactions)
      case 'full':
      case 'log':
        await this.#chain.backUp(step.do)
        return
      case 'rotate':
        await this.#server.client('FLUSH BINARY LOGS')
        return
      case 'purge': {
        const names = (await this.#server.client('SHOW BINARY LOGS'))
          .trim()
          .split('\n')
          .map((line) => line.split('\t')[0])
        const keep = names[Math.floor(this.#random() * names.length)]
        await this.#server.client(`PURGE BINARY LOGS TO '${keep}'`)
        return
      }
      case 'reset':
        this.#era++
        await this.#server.client('RESET MASTER')
        return
      case 'restart':
        return await this.#server.restart()
      case 'kill':
        await this.#killWhileWriting()
        return
      case 'alter':
        await this.#server.client(
          `ALTER TABLE d.t ADD COLUMN c${++this.#columns} INT DEFAULT ${this.#columns}; CREATE TABLE d.made${this.#columns} (a INT)`,
        )
        return
      case 'wait':
        await this.#server.client('DO SLEEP(1.1)')
    }
  }

  /** The server dies with a transaction open, of which nothing may ever come back. */
  async #killWhileWriting(): Promise<void> {
    const connection = await connect(resolved(this.#server))
    await connection.run('BEGIN')
    await connection.run("INSERT INTO d.t (id, a) VALUES (-1, 'never')")
    await this.#server.kill()
    await connection[Symbol.asyncDispose]()
    await this.#server.restart()
  }

  async #write(writers: number, transactions: number): Promise<void> {
    // Each writer has rows of its own, so that the order among writers makes no difference.
    const shares = Array.from({ length: writers }, () => [] as number[])
    for (const [index, id] of this.#live.splice(0).entries()) shares[index % writers]?.push(id)
    const written = await Promise.all(shares.map((ids) => this.#writer(ids, transactions, writers === 1)))
    const sequence = ({ gtid }: JournalEntry) => Number(gtid.split('-')[2])
    this.journal.push(...written.flat().sort((a, b) => sequence(a) - sequence(b)))
    this.#live.push(...shares.flat())
  }

  async #writer(ids: number[], transactions: number, isAlone: boolean): Promise<JournalEntry[]> {
    // Without locks on gaps, in which writers of different rows would wait for each other.
    await using connection = await connect(resolved(this.#server), { setup: ['SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED'] })
    const entries: JournalEntry[] = []
    for (let count = 0; count < transactions; count++) entries.push(await this.#transaction(connection, ids, isAlone))
    return entries
  }

  async #transaction(connection: MysqlConnection, ids: number[], isAlone: boolean): Promise<JournalEntry> {
    const rows = new Map<number, string | undefined>()
    await connection.run('BEGIN')
    for (let statements = 1 + Math.floor(this.#random() * 4); statements > 0; statements--) {
      const chosen = ids[Math.floor(this.#random() * ids.length)]
      const kind = chosen === undefined ? 0 : this.#random()
      const value = Buffer.from(
        Array.from({ length: 1 + Math.floor(this.#random() * 20) }, () => Math.floor(this.#random() * 256)),
      ).toString('hex')
      if (chosen === undefined || kind < 0.5) {
        const id = this.#nextId++
        ids.push(id)
        rows.set(id, value.toUpperCase())
        await connection.run(`INSERT INTO d.t (id, a) VALUES (${id}, x'${value}')`)
      } else if (kind < 0.8) {
        rows.set(chosen, value.toUpperCase())
        await connection.run(`UPDATE d.t SET a = x'${value}' WHERE id = ${chosen}`)
      } else {
        rows.set(chosen, undefined)
        ids.splice(ids.indexOf(chosen), 1)
        await connection.run(`DELETE FROM d.t WHERE id = ${chosen}`)
      }
    }
    const after = await clock(connection)
    await connection.run('COMMIT')
    const before = await clock(connection)
    const [gtid] = await connection.rows('SELECT @@SESSION.last_gtid AS gtid')
    const [place] = isAlone ? await connection.rows('SHOW MASTER STATUS') : []
    return {
      gtid: gtid?.text('gtid') ?? '',
      era: this.#era,
      committed: [after, before],
      rows,
      ...(place === undefined ? {} : { place: { file: place.at(0) ?? '', offset: place.at(1) ?? '' } }),
    }
  }

  /** What `SELECT id, HEX(a) FROM d.t ORDER BY id` says when just the first so many transactions are applied. */
  stateAfter(transactions: number): string {
    const state = new Map<number, string>()
    for (const { rows } of this.journal.slice(0, transactions)) {
      for (const [id, value] of rows) {
        if (value === undefined) state.delete(id)
        else state.set(id, value)
      }
    }
    return [...state]
      .sort(([a], [b]) => a - b)
      .map(([id, value]) => `${id}\t${value}\n`)
      .join('')
  }
}

async function clock(connection: MysqlConnection): Promise<number> {
  const [row] = await connection.rows('SELECT UNIX_TIMESTAMP(SYSDATE(6)) * 1000 AS milliseconds')
  return row?.number('milliseconds') ?? 0
}
