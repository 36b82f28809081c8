import { randomInt } from 'node:crypto'
import type { Socket } from 'node:net'
import { abortError, BackupError, throwIfAborted } from '@backup-planet/core'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import { connect, killConnections, type MysqlConnection, socketOf } from '../mysql-connection.ts'
import { dumpFailure, lostStream } from './dump-failure.ts'
import { type BinlogPiece, type BinlogReached, DumpFrames } from './dump-frames.ts'
import { dumpPacket, largestDumpPosition } from './dump-packet.ts'

export type { BinlogPiece, BinlogReached } from './dump-frames.ts'

export interface BinlogStreamOptions {
  /** The first binlog. */
  readonly binlog: string
  /** Offset of the first event; the beginning when left out. */
  readonly position?: number | undefined
  /** The binlog before which the stream ends; behind the last event that the server has when left out. */
  readonly until?: string | undefined
  /** Goes on with what the server writes from now on, until it is aborted. */
  readonly follow?: FollowOptions | undefined
  readonly signal?: AbortSignal | undefined
}

export interface FollowOptions {
  /** How often the server says that there is nothing new; after four times as long without a word it is given up. */
  readonly heartbeatSeconds: number
  /** The server has nothing behind this place, and everything before it has been handed over. */
  readonly onHeartbeat?: ((reached: BinlogReached) => void) | undefined
}

/** Beyond so many bytes that nobody has asked for yet, the server is made to wait. */
const highMark = 8 * 1024 * 1024

/**
 * Reads binlogs from the server by its replication protocol, decrypted where they are encrypted, and otherwise byte by byte as its files are: a piece
 * belongs to one binlog, and the pieces of one come before those of the next. A consumer that is slow makes the server wait. However the loop ends,
 * nothing of it goes on on the server.
 *
 * Throws `NOT_FOUND` for a binlog that the server has not (any more), `ACCESS_DENIED` without REPLICATION SLAVE, `UNREACHABLE` when the server goes
 * away, `CORRUPTED` for what is no binlog, `ABORTED`; a stream that does not follow ends by itself.
 */
export async function* streamBinlogs(
  settings: MysqlConnectionSettings,
  options: BinlogStreamOptions,
): AsyncGenerator<BinlogPiece, void, void> {
  const { signal } = options
  throwIfAborted(signal, `reading binlogs from ${options.binlog} on`)
  if ((options.position ?? 0) > largestDumpPosition) throw tooFar(options)
  const connection = await connect(settings, { signal, setup: sessionStatements(options) })
  let stream: DumpSocket | undefined
  try {
    const [version] = await connection.rows('SELECT @@version, CURRENT_USER()', 'looking at the server before reading its binlogs')
    const account = version?.at(1) ?? ''
    stream = new DumpSocket(connection, options, account, /MariaDB/i.test(version?.at(0) ?? ''))
    for (let pieces = await stream.next(); pieces !== undefined; pieces = await stream.next()) yield* pieces
  } finally {
    // A thread that waits for the next event does not notice that nobody listens any more.
    if (stream !== undefined && !stream.endedByServer) await killConnections(settings, [connection.threadId]).catch(() => undefined)
    stream?.destroy()
    await connection[Symbol.asyncDispose]()
  }
}

/**
 * MySQL reads the variables of replicas by both names, MariaDB by the old ones. A replica that can check CRC32 is sent what the file has; capability 4
 * is that of a replica that knows GTIDs, to which MariaDB sends every event as it is.
 */
function sessionStatements({ follow }: BinlogStreamOptions): readonly string[] {
  const heartbeat = Math.round((follow?.heartbeatSeconds ?? 30) * 1e9)
  return [
    "SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32'",
    'SET @mariadb_slave_capability = 4',
    `SET @master_heartbeat_period = ${heartbeat}, @source_heartbeat_period = ${heartbeat}`,
    'SET SESSION net_write_timeout = 31536000',
  ]
}

function tooFar({ binlog, position }: BinlogStreamOptions): BackupError {
  return new BackupError(`the replication protocol cannot begin at ${binlog}:${position}`, {
    code: 'UNSUPPORTED',
    hint: 'It has no room for offsets of 4 GiB and more; read this binlog from its beginning.',
  })
}

/** The socket of a session after COM_BINLOG_DUMP, which the driver has no more part in. */
class DumpSocket {
  readonly #socket: Socket
  readonly #frames: DumpFrames
  readonly #options: BinlogStreamOptions
  readonly #account: string
  readonly #onAbort: () => void
  #pieces: BinlogPiece[] = []
  #queuedBytes = 0
  #paused = false
  #failure: unknown
  #closed = false
  #wake: (() => void) | undefined

  constructor(connection: MysqlConnection, options: BinlogStreamOptions, account: string, isMariadb: boolean) {
    const { binlog, position = 4, follow, until, signal } = options
    this.#options = options
    this.#account = account
    this.#socket = socketOf(connection.driver)
    this.#frames = new DumpFrames({ binlog, position }, until, {
      onPiece: (piece) => this.#queue(piece),
      onHeartbeat: (reached) => follow?.onHeartbeat?.(reached),
    })
    this.#socket.removeAllListeners('data')
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    this.#socket.on('close', () => this.#close())
    this.#socket.on('error', (error) => this.#fail(error))
    this.#onAbort = () => this.#fail(undefined)
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#socket.write(
      dumpPacket({ binlog, position, serverId: randomInt(2 ** 31, 2 ** 32), nonBlocking: follow === undefined, annotateRows: isMariadb }),
    )
  }

  /** Whether the server has ended the command, so that there is nothing to stop. */
  get endedByServer(): boolean {
    return this.#closed || this.#frames.end?.kind === 'eof' || this.#frames.end?.kind === 'error'
  }

  destroy(): void {
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#socket.destroy()
  }

  /** All that has come; `undefined` at the end. Throws what has gone wrong, after everything that had come before. */
  async next(): Promise<readonly BinlogPiece[] | undefined> {
    const { signal, binlog } = this.#options
    for (;;) {
      if (signal?.aborted) throw abortError(signal, `reading binlogs from ${binlog} on`)
      if (this.#pieces.length > 0) return this.#taken()
      if (this.#frames.end !== undefined) return this.#finish()
      if (this.#failure !== undefined || this.#closed) throw lostStream(this.#frames.reached, this.#failure)
      await this.#news()
    }
  }

  #taken(): readonly BinlogPiece[] {
    const pieces = this.#pieces
    this.#pieces = []
    this.#queuedBytes = 0
    if (this.#paused) {
      this.#paused = false
      this.#socket.resume()
    }
    return pieces
  }

  #finish(): undefined {
    const end = this.#frames.end
    if (end?.kind === 'error') throw dumpFailure(end.error, this.#frames.reached, this.#account)
    // Only a server that is shut down, or a killed thread, ends a stream that follows.
    if (end?.kind === 'eof' && this.#options.follow !== undefined) throw lostStream(this.#frames.reached, undefined)
    return undefined
  }

  /** Resolves when anything has changed. A server that was to say at least that it lives, and does not, is gone. */
  async #news(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const { follow } = this.#options
    const silence = follow === undefined ? undefined : setTimeout(() => this.#fail(undefined), follow.heartbeatSeconds * 4000)
    await promise
    clearTimeout(silence)
  }

  #receive(chunk: Buffer): void {
    if (this.#failure !== undefined) return
    try {
      this.#frames.push(chunk)
    } catch (error) {
      this.#fail(error)
      return
    }
    if (this.#queuedBytes > highMark && !this.#paused) {
      this.#paused = true
      this.#socket.pause()
    }
    this.#wake?.()
  }

  #queue(piece: BinlogPiece): void {
    this.#pieces.push(piece)
    this.#queuedBytes += piece.bytes.length
  }

  #fail(error: unknown): void {
    this.#failure ??= error ?? new Error('no word from the server')
    this.#wake?.()
  }

  #close(): void {
    this.#closed = true
    this.#wake?.()
  }
}
