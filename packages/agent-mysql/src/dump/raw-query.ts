import { createRequire } from 'node:module'
import type { Connection } from 'mysql2/promise'
import { ThreadFailure } from './thread-failure.ts'

/** Called with one row as it came off the wire; the buffer is used again as soon as this returns. */
export type OnRow = (packet: Buffer, begin: number, end: number) => void

/** The parts of mysql2's own command and packet that are used here; its package exports neither. */
interface WirePacket {
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
  readonly sequenceId: number
  readLengthCodedNumber(): number | null
  isError(): boolean
}
type Step = (this: WireQuery, packet: WirePacket, connection: unknown) => Step | null
interface WireQuery {
  start(packet: WirePacket, connection: unknown): Step | null
  onResult: (error: unknown) => void
}
interface WireQueryClass {
  new (options: { readonly sql: string }, onResult: (error: unknown) => void): WireQuery
}
interface CoreConnection {
  readonly stream: { pause(): void; resume(): void }
  addCommand(command: unknown): unknown
}

const require = createRequire(import.meta.url)

/**
 * mysql2's Query class: its `exports` hide `lib/commands`, so the class is taken from a query that the public
 * `createQuery` made. Sending, errors and lost connections stay its own; only what happens to result packets is ours.
 */
function queryClass(): WireQueryClass {
  const mysql2: { createQuery(sql: string, values: readonly unknown[], done: () => void, config: object): object } = require('mysql2')
  const query = mysql2.createQuery('SELECT 1', [], () => undefined, {})
  const found: unknown = query.constructor
  if (typeof found !== 'function' || typeof found.prototype.start !== 'function' || typeof found.prototype.execute !== 'function') {
    throw new TypeError('this version of mysql2 has another Query class than the one raw reading was written for')
  }
  return found as WireQueryClass
}

let rawQueryClass: (new (sql: string, onRow: OnRow, done: (error: unknown, columns: number) => void) => object) | undefined

function makeRawQueryClass() {
  const Query = queryClass()
  return class RawQuery extends Query {
    readonly onRow: OnRow
    columns = 0
    left = 0

    constructor(sql: string, onRow: OnRow, done: (error: unknown, columns: number) => void) {
      super({ sql }, (error) => done(error, 0))
      this.onRow = onRow
      this.finish = done
    }
    readonly finish: (error: unknown, columns: number) => void

    override start(packet: WirePacket, connection: unknown): Step | null {
      super.start(packet, connection)
      return RawQuery.prototype.header as unknown as Step
    }

    header(packet: WirePacket): Step | null {
      this.columns = packet.readLengthCodedNumber() ?? 0
      this.left = this.columns
      if (this.columns > 0) return RawQuery.prototype.column as unknown as Step
      this.finish(new TypeError('a statement without rows was read as rows'), 0)
      return null
    }

    column(): Step | null {
      this.left--
      return (this.left > 0 ? RawQuery.prototype.column : RawQuery.prototype.columnsEnd) as unknown as Step
    }

    columnsEnd(): Step | null {
      return RawQuery.prototype.row as unknown as Step
    }

    row(packet: WirePacket): Step | null {
      const begin = packet.start + 4
      // EOF is 0xFE and short; a row can begin with 0xFE too, but only before a field of 16 MiB and more. mysql2 never
      // negotiates CLIENT_DEPRECATE_EOF, under which this packet would be an OK packet.
      if (packet.buffer[begin] === 0xfe && packet.end - begin < 9) {
        this.finish(null, this.columns)
        return null
      }
      this.onRow(packet.buffer, begin, packet.end)
      return RawQuery.prototype.row as unknown as Step
    }
  }
}

export interface RawRows {
  /** Resolves with the number of columns when the last row has come. */
  readonly done: Promise<number>
  /** Whether an error of `onRow` has destroyed the connection. */
  readonly destroyed: boolean
  /** Stops reading from the socket; rows that are already in memory still come. */
  pause(): void
  resume(): void
}

/**
 * Sends a SELECT and hands over its rows as bytes, never parsed into values. An error that `onRow` throws destroys the
 * connection, since rows would follow for which nobody cares.
 */
export function readRawRows(driver: Connection, sql: string, onRow: OnRow): RawRows {
  rawQueryClass ??= makeRawQueryClass()
  const core = (driver as unknown as { readonly connection: CoreConnection }).connection
  const RawQuery = rawQueryClass
  let failed = false
  const done = new Promise<number>((resolve, reject) => {
    const guarded: OnRow = (packet, begin, end) => {
      if (failed) return
      try {
        onRow(packet, begin, end)
      } catch (error) {
        failed = true
        reject(error)
        driver.destroy()
      }
    }
    core.addCommand(
      new RawQuery(sql, guarded, (error, columns) => {
        if (error) reject(error)
        else if (columns === 0)
          reject(new ThreadFailure('the server sent no columns', 'APPLICATION', 'Look at the error log of the server.'))
        else resolve(columns)
      }),
    )
  })
  return {
    done,
    get destroyed() {
      return failed
    },
    pause: () => core.stream.pause(),
    resume: () => core.stream.resume(),
  }
}
