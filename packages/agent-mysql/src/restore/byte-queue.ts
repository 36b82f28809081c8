/** Blocks on their way from one program to another: whoever pushes waits until what it pushed is taken. */
export class ByteQueue {
  #block: { readonly bytes: Uint8Array; readonly taken: () => void } | undefined
  #ended = false
  #dropped = false
  #wake: () => void = () => undefined

  push(bytes: Uint8Array): Promise<void> {
    if (this.#dropped) return Promise.resolve()
    return new Promise((taken) => {
      this.#block = { bytes, taken }
      this.#wake()
    })
  }

  end(): void {
    this.#ended = true
    this.#wake()
  }

  /** Nobody takes any more: what is pushed is thrown away. */
  drop(): void {
    this.#dropped = true
    this.#block?.taken()
    this.#block = undefined
    this.end()
  }

  async *take(): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const block = this.#block
      if (block !== undefined) {
        this.#block = undefined
        yield block.bytes
        block.taken()
      } else if (this.#ended) return
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}
