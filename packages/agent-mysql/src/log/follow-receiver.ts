import type { BinlogPiece } from '../binlog/binlog-stream.ts'
import type { FollowSpool, SpooledParts } from './follow-spool.ts'

/** Fills the spool until it is full, and says when something of it is due. */
export class FollowReceiver {
  readonly #spool: FollowSpool
  readonly #everyMilliseconds: number
  readonly #stop = new AbortController()
  /** Ends what is received from. */
  readonly signal: AbortSignal
  #ended = false
  #failure: unknown
  /** When the oldest of what is whole has come. */
  #readySince: number | undefined
  #news = Promise.withResolvers<void>()
  #room = Promise.withResolvers<void>()

  constructor(spool: FollowSpool, everySeconds: number, signal: AbortSignal | undefined) {
    this.#spool = spool
    this.#everyMilliseconds = everySeconds * 1000
    this.signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal])
  }

  /** Never rejects: what went wrong is said by {@link due}. */
  async receive(pieces: AsyncIterable<BinlogPiece>): Promise<void> {
    const onAbort = (): void => this.#room.resolve()
    this.signal.addEventListener('abort', onAbort, { once: true })
    try {
      for await (const piece of pieces) {
        this.#spool.push(piece)
        if (this.#spool.ready) this.#readySince ??= performance.now()
        this.#news.resolve()
        while (this.#spool.full && !this.signal.aborted) await this.#room.promise
      }
    } catch (error) {
      // Whoever aborts wants what has come, and no error.
      if (!this.signal.aborted) this.#failure = error
    } finally {
      this.signal.removeEventListener('abort', onAbort)
      this.#ended = true
      this.#news.resolve()
    }
  }

  /** Whether there is something to take now; throws what ended the receiving, once nothing is left. */
  async due(): Promise<boolean> {
    for (;;) {
      if (this.#spool.full) return true
      if (this.#ended) {
        if (this.#spool.rest) return true
        if (this.#failure !== undefined) throw this.#failure
        return false
      }
      const wait = this.#readySince === undefined ? undefined : this.#readySince + this.#everyMilliseconds - performance.now()
      if (wait !== undefined && wait <= 0) return true
      await this.#changed(wait)
    }
  }

  take(): SpooledParts {
    const parts = this.#spool.take()
    this.#readySince = this.#spool.ready ? performance.now() : undefined
    this.#room.resolve()
    this.#room = Promise.withResolvers()
    return parts
  }

  stop(): void {
    this.#stop.abort()
  }

  /** Receives nothing more; what has come can be taken still. Whoever has aborted wants no error. */
  fail(error: unknown): void {
    if (!this.signal.aborted) this.#failure ??= error
    this.#stop.abort()
  }

  async #changed(milliseconds: number | undefined): Promise<void> {
    const timer = milliseconds === undefined ? undefined : setTimeout(() => this.#news.resolve(), milliseconds)
    await this.#news.promise
    clearTimeout(timer)
    this.#news = Promise.withResolvers()
  }
}
