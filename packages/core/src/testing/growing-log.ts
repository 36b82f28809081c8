/** A list that only grows, for any number of readers who follow it, each from its beginning. */
export class GrowingLog<Entry> {
  readonly #entries: Entry[] = []
  #failure: { readonly cause: unknown } | undefined
  #change = Promise.withResolvers<void>()

  push(entry: Entry): void {
    this.#entries.push(entry)
    this.#changed()
  }

  /** Nothing more will come: readers get what is there, and then `cause`. */
  fail(cause: unknown): void {
    this.#failure ??= { cause }
    this.#changed()
  }

  /** Readers get `cause` at once. */
  cut(cause: unknown): void {
    this.#entries.length = 0
    this.#failure = { cause }
    this.#changed()
  }

  async *follow(): AsyncGenerator<Entry, never> {
    for (let next = 0; ; ) {
      const change = this.#change.promise
      const entry = this.#entries[next]
      if (entry !== undefined) {
        next++
        yield entry
      } else if (this.#failure !== undefined) throw this.#failure.cause
      else await change
    }
  }

  #changed(): void {
    const { resolve } = this.#change
    this.#change = Promise.withResolvers<void>()
    resolve()
  }
}
