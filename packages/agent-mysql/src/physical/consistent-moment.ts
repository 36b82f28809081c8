import type { MysqlSession } from '../mysql-connection.ts'
import { type BinlogPosition, readBinlogPosition, readServerTime, type ServerFacts } from '../mysql-server.ts'

/** The clock of the server, and its position right after. */
export interface MomentSample {
  /** ISO 8601 in UTC. */
  readonly time: string
  readonly position: BinlogPosition | undefined
}

/**
 * The moment that a copy is of. Between two samples that both are at the position of the copy nothing was committed, and the clock of the second one was read between them: that
 * is exact. One sample alone was read right before. Without any, it is the first that was read under the lock, since the tool takes it for the end of its copy.
 */
export function consistentMoment(samples: readonly MomentSample[], position: BinlogPosition | undefined): string | undefined {
  if (position === undefined) return samples[0]?.time
  const at = (sample: MomentSample | undefined): boolean =>
    sample?.position?.file === position.file && sample.position.offset === position.offset
  const first = samples.findIndex((sample) => at(sample))
  if (first < 0) return samples[0]?.time
  return (at(samples[first + 1]) ? samples[first + 1] : samples[first])?.time
}

/** What the tools print right before, or when, they hold commits: MariaDB, xtrabackup 8, xtrabackup 2.4. */
const lockLines =
  /Acquired locks for BACKUP STAGE BLOCK_COMMIT|FLUSH TABLES WITH READ LOCK|(?:p_s|performance_schema)\.log_status|LOCK BINLOG FOR BACKUP/

/** What they print once they have let go. */
const unlockLines = /BACKUP STAGE END|All tables unlocked|Executing UNLOCK/

/** Longest pause between two samples; a lock of the tools is held for longer, since it copies the end of the redo log under it. */
const pauseMilliseconds = 2

/** Asks the server what time it is for as long as the tool holds commits, from when its log says so until it ends. */
export class MomentWatch {
  readonly #session: MysqlSession
  readonly #server: ServerFacts
  readonly #samples: MomentSample[] = []
  #log = ''
  #watching: Promise<void> | undefined
  #ended = false

  constructor(session: MysqlSession, server: ServerFacts) {
    this.#session = session
    this.#server = server
  }

  /** Sees the log of the tool as it comes. */
  readonly onLog = (chunk: Uint8Array): void => {
    this.#log = `${this.#log}${Buffer.from(chunk).toString('latin1')}`
    if (this.#watching === undefined && lockLines.test(this.#log)) this.#begin()
    if (this.#watching !== undefined && unlockLines.test(this.#log)) this.#ended = true
    this.#log = this.#log.slice(-200)
  }

  /** Throws what asking the server threw. */
  async end(): Promise<readonly MomentSample[]> {
    this.#ended = true
    if (this.#samples.length === 0 && this.#watching === undefined) this.#begin()
    await this.#watching
    return this.#samples
  }

  #begin(): void {
    this.#watching = this.#watch()
    this.#watching.catch(() => undefined)
  }

  async #watch(): Promise<void> {
    do {
      const time = await readServerTime(this.#session)
      const position = await readBinlogPosition(this.#session, this.#server)
      this.#keep({ time, position })
      await new Promise((resolve) => setTimeout(resolve, pauseMilliseconds))
    } while (!this.#ended)
  }

  /** Of samples at one position the first two say everything. */
  #keep(sample: MomentSample): void {
    const [before, last] = this.#samples.slice(-2)
    const same = (other: MomentSample | undefined): boolean =>
      other?.position?.file === sample.position?.file && other?.position?.offset === sample.position?.offset
    if (last === undefined || !same(last) || !same(before)) this.#samples.push(sample)
  }
}
