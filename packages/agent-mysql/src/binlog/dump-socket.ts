import { randomInt } from 'node:crypto'
import type { Socket } from 'node:net'
import { abortError } from '@backup-planet/core'
import type { BinlogStreamOptions } from './binlog-stream.ts'
import { dumpFailure, lostStream } from './dump-failure.ts'
import { type BinlogPiece, type BinlogReached, DumpFrames } from './dump-frames.ts'
import { dumpPacket } from './dump-packet.ts'
import type { ReceiveBuffers } from './receive-buffers.ts'

export interface DumpSession {
  readonly socket: Socket
  /** What the socket receives into; `undefined` with TLS. */
  readonly buffers: ReceiveBuffers | undefined
  /** The one that reads, as `user@host`. */
  readonly account: string
  readonly isMariadb: boolean
}

/** What came in one piece. */
export interface ReceivedPieces {
  readonly pieces: readonly BinlogPiece[]
  /** Where the server said, behind them, that it has nothing more. */
  readonly reached: BinlogReached | undefined
  /** To be called when they are not needed any more: their memory is used again. */
  release(): void
}

/** With TLS, the server is made to wait beyond so many bytes that nobody has asked for. */
const highMark = 4 * 1024 * 1024
/** More than a server under load takes to open a binlog; one that stands still for so long would hold up the runs behind this one. */
const longestSilenceSeconds = 600

/** A session after COM_BINLOG_DUMP, which the driver has no more part in. */
export class DumpSocket {
  readonly #socket: Socket
  readonly #frames: DumpFrames
  readonly #options: BinlogStreamOptions
  readonly #account: string
  readonly #onAbort: () => void
  readonly #received: ReceivedPieces[] = []
  #pieces: BinlogPiece[] = []
  #reached: BinlogReached | undefined
  #waitingBytes = 0
  #failure: unknown
  #closed = false
  #wake: (() => void) | undefined

  constructor({ socket, buffers, account, isMariadb }: DumpSession, options: BinlogStreamOptions) {
    const { binlog, position = 4, follow, until, signal } = options
    this.#options = options
    this.#account = account
    this.#socket = socket
    this.#frames = new DumpFrames({ binlog, position }, until, {
      onPiece: (piece) => this.#pieces.push(piece),
      onHeartbeat: (reached) => {
        this.#reached = reached
      },
    })
    socket.removeAllListeners('data')
    if (buffers === undefined) socket.on('data', (chunk: Buffer) => this.#receiveFromStream(chunk))
    else buffers.takeOver((bytes, headroom, release) => this.#receive(bytes, headroom, release))
    socket.on('close', () => this.#close())
    socket.on('error', (error) => this.#fail(error))
    this.#onAbort = () => this.#fail(undefined)
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    socket.write(
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

  /** The next that has come; `undefined` at the end. Throws what has gone wrong, after everything that had come before. */
  async next(): Promise<ReceivedPieces | undefined> {
    const { signal, binlog } = this.#options
    for (;;) {
      if (signal?.aborted) throw abortError(signal, `reading binlogs from ${binlog} on`)
      const received = this.#received.shift()
      if (received !== undefined) return received
      if (this.#frames.end !== undefined) return this.#finish()
      if (this.#failure !== undefined || this.#closed) throw lostStream(this.#frames.reached, this.#failure)
      await this.#news()
    }
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
    const { follow, silenceSeconds = longestSilenceSeconds } = this.#options
    const seconds = follow === undefined ? silenceSeconds : follow.heartbeatSeconds * 4
    const silence = setTimeout(() => this.#fail(undefined), seconds * 1000)
    await promise
    clearTimeout(silence)
  }

  #receiveFromStream(chunk: Buffer): void {
    this.#waitingBytes += chunk.length
    if (this.#waitingBytes > highMark) this.#socket.pause()
    this.#receive(chunk, 0, () => {
      this.#waitingBytes -= chunk.length
      if (this.#socket.isPaused()) this.#socket.resume()
    })
  }

  #receive(bytes: Buffer, headroom: number, release: () => void): void {
    try {
      if (this.#failure === undefined && this.#frames.end === undefined) this.#frames.push(bytes, headroom)
    } catch (error) {
      this.#fail(error)
    }
    const [pieces, reached] = [this.#pieces, this.#reached]
    if (pieces.length === 0 && reached === undefined) release()
    else this.#received.push({ pieces, reached, release })
    this.#pieces = []
    this.#reached = undefined
    this.#wake?.()
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
