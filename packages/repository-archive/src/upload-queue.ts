/** Runs tasks a few at a time, in order of arrival. The first failure stops everything that has not begun. */
export class UploadQueue {
  readonly #concurrency: number
  readonly #waiting: (() => Promise<void>)[] = []
  readonly #failed = Promise.withResolvers<never>()
  readonly #failures: unknown[] = []
  #running = 0
  #stopped = false
  #idle: (() => void) | undefined

  constructor(concurrency: number) {
    this.#concurrency = Math.max(1, concurrency)
    this.#failed.promise.catch(() => undefined)
  }

  /** Rejects with the first failure; otherwise never settles. */
  get failure(): Promise<never> {
    return this.#failed.promise
  }

  add(task: () => Promise<void>): void {
    if (this.#stopped) return
    this.#waiting.push(task)
    this.#next()
  }

  /** Resolves when every task has ended; rejects with the first failure. */
  async finish(): Promise<void> {
    await this.#settled()
    if (this.#failures.length > 0) await this.failure
  }

  /** Begins nothing any more, and resolves when what runs has ended, well or not. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#waiting.length = 0
    await this.#settled()
  }

  #next(): void {
    while (this.#running < this.#concurrency) {
      const task = this.#waiting.shift()
      if (task === undefined) break
      this.#running++
      task()
        .catch((error: unknown) => {
          this.#stopped = true
          this.#waiting.length = 0
          this.#failures.push(error)
          this.#failed.reject(error)
        })
        .finally(() => {
          this.#running--
          this.#next()
        })
    }
    if (this.#running === 0 && this.#waiting.length === 0) this.#idle?.()
  }

  async #settled(): Promise<void> {
    while (this.#running > 0 || this.#waiting.length > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#idle = resolve
      await promise
    }
  }
}
