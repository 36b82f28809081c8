import { GracePeriod } from '../pipeline/grace-period.ts'

/** How long may still be worked once it was aborted, shared evenly among what is left to do: nothing that clears away is never begun. */
export class StopLimit implements Disposable {
  readonly #signal: AbortSignal | undefined
  readonly #limitMs: number | undefined
  readonly #onAbort = (): void => {
    this.#abortedAt ??= performance.now()
  }
  #abortedAt: number | undefined

  /** @param limitMs there is none when left out */
  constructor(signal: AbortSignal | undefined, limitMs: number | undefined) {
    this.#signal = signal
    this.#limitMs = limitMs
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (signal?.aborted === true) this.#onAbort()
  }

  /** For the next of so many: aborted once its share of the time is used up. */
  share(left: number): GracePeriod | undefined {
    if (this.#limitMs === undefined) return undefined
    const used = this.#abortedAt === undefined ? 0 : performance.now() - this.#abortedAt
    return new GracePeriod(this.#signal, Math.max(0, this.#limitMs - used) / left / 1000)
  }

  [Symbol.dispose](): void {
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}
