/** Goes on for a while after an abort, so that what had come can be stored. */
export class GracePeriod implements Disposable {
  readonly #ended = new AbortController()
  readonly #onAbort: () => void
  readonly #aborted: AbortSignal | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(aborted: AbortSignal | undefined, seconds: number) {
    this.#aborted = aborted
    this.#onAbort = () => {
      this.#timer = setTimeout(() => this.#ended.abort(aborted?.reason), seconds * 1000)
    }
    aborted?.addEventListener('abort', this.#onAbort, { once: true })
    if (aborted?.aborted) this.#onAbort()
  }

  get signal(): AbortSignal {
    return this.#ended.signal
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#aborted?.removeEventListener('abort', this.#onAbort)
  }
}
