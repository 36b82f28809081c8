/** A limited amount of something, such as bytes of memory, that is taken and given back. Who waits is served in order of arrival. */
export class Allowance {
  readonly total: number
  readonly #onWait: () => void
  readonly #waiting: { readonly amount: number; readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = []
  #free: number
  #failure: { readonly error: unknown } | undefined

  /** @param onWait called whenever somebody has to wait */
  constructor(total: number, onWait: () => void = () => undefined) {
    this.total = total
    this.#free = total
    this.#onWait = onWait
  }

  get free(): number {
    return this.#free
  }

  /** Somebody waits. */
  get wanted(): boolean {
    return this.#waiting.length > 0
  }

  /** Resolves once `amount` is free and taken; more than there is counts as all. Rejects once {@link stop} was called. */
  take(amount: number): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error)
    const taken = Math.min(amount, this.total)
    if (this.#waiting.length === 0 && this.#free >= taken) {
      this.#free -= taken
      return Promise.resolve()
    }
    const waiting = new Promise<void>((resolve, reject) => this.#waiting.push({ amount: taken, resolve, reject }))
    this.#onWait()
    return waiting
  }

  /** Gives back what was taken, at once or in parts; never more comes free than {@link total}. */
  give(amount: number): void {
    this.#free = Math.min(this.total, this.#free + amount)
    while (true) {
      const [next] = this.#waiting
      if (next === undefined || next.amount > this.#free) return
      this.#waiting.shift()
      this.#free -= next.amount
      next.resolve()
    }
  }

  /** Everybody who waits, or comes to, hears of `error`. */
  stop(error: unknown): void {
    this.#failure ??= { error }
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure.error)
  }
}
