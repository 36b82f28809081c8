import { abortError, type OperationOptions, throwIfAborted } from '@backup-planet/core'

/**
 * Work that several wait for, each with a signal of its own: who is aborted hears of it at once, and the others wait on. The work itself
 * is aborted when nobody waits for it any more.
 */
export class SharedWork<Result> {
  readonly #controller = new AbortController()
  readonly #result: Promise<Result>
  readonly #onFailure: (work: SharedWork<Result>) => void
  #waiting = 0
  #ended = false

  /** @param onFailure called once when there will be no result, before anybody hears of it: nobody may begin to wait after that */
  constructor(work: (options: OperationOptions) => Promise<Result>, onFailure: (work: SharedWork<Result>) => void) {
    this.#onFailure = onFailure
    this.#result = work({ signal: this.#controller.signal }).then(
      (result) => {
        this.#ended = true
        return result
      },
      (error: unknown) => {
        this.#fail()
        throw error
      },
    )
    // Who waits hears of it.
    this.#result.catch(() => undefined)
  }

  /** @param during for the message of `ABORTED`: "opening the repository" */
  async wait({ signal }: OperationOptions, during: string): Promise<Result> {
    this.#waiting++
    const aborted = Promise.withResolvers<never>()
    const onAbort = () => aborted.reject(signal === undefined ? undefined : abortError(signal, during))
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      throwIfAborted(signal, during)
      return await Promise.race([this.#result, aborted.promise])
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#waiting--
      if (this.#waiting === 0 && !this.#ended) {
        this.#fail()
        this.#controller.abort()
      }
    }
  }

  #fail(): void {
    if (this.#ended) return
    this.#ended = true
    this.#onFailure(this)
  }
}
