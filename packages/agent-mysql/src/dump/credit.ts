/** Leave to send so many blocks, granted by the receiver; several senders may wait for it at once, and are served in their order. */
export class Credit {
  #blocks = 0
  readonly #waiting: (() => void)[] = []

  grant(blocks: number): void {
    this.#blocks += blocks
    while (this.#blocks > 0) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#blocks--
      next()
    }
  }

  async take(): Promise<void> {
    if (this.#blocks > 0) {
      this.#blocks--
      return
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}
