/** A file as it comes out of a reading thread. */
export interface ReadFile {
  /** Compressed content; reading it is what lets the thread go on. */
  readonly content: AsyncIterable<Uint8Array>
  /** Resolves after the content has ended. */
  readonly facts: Promise<ReadFileFacts>
}

export interface ReadFileFacts {
  readonly rows: number
  readonly bytes: number
  /** Of the text before compression, lower-case hex. */
  readonly sha256: string
}

/**
 * Blocks between the thread and whoever writes them. Every block that was pushed is answered with `onTaken` exactly once, whether it was
 * read, left behind by a reader that gave up, or came after the end of all interest; until then the thread sends no more than its credit.
 */
export class ReadFileQueue implements ReadFile {
  readonly content: AsyncIterable<Uint8Array>
  readonly facts: Promise<ReadFileFacts>
  readonly #onTaken: () => void
  readonly #blocks: Uint8Array[] = []
  #wake: (() => void) | undefined
  #ended = false
  #dropped = false
  #failure: { readonly error: unknown } | undefined
  #settle: { resolve: (facts: ReadFileFacts) => void; reject: (error: unknown) => void }

  constructor(onTaken: () => void) {
    this.#onTaken = onTaken
    this.#settle = { resolve: () => undefined, reject: () => undefined }
    this.facts = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    this.facts.catch(() => undefined)
    this.content = this.#take()
  }

  push(block: Uint8Array): void {
    if (this.#dropped) this.#onTaken()
    else this.#blocks.push(block)
    this.#wake?.()
  }

  end({ rows, bytes, sha256 }: ReadFileFacts): void {
    this.#ended = true
    this.#settle.resolve({ rows, bytes, sha256 })
    this.#wake?.()
  }

  /** The content throws this instead of going on; what is left of it is thrown away. Without effect on a file that was read to its end. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#settle.reject(error)
    this.drop()
    this.#wake?.()
  }

  /** Nobody reads any more: what comes is thrown away, so that the thread does not wait for ever. */
  drop(): void {
    this.#dropped = true
    for (const _ of this.#blocks.splice(0)) this.#onTaken()
  }

  async *#take(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure.error
        const block = this.#blocks.shift()
        if (block !== undefined) {
          try {
            yield block
          } finally {
            this.#onTaken()
          }
        } else if (this.#ended) return
        else await new Promise<void>((resolve) => (this.#wake = resolve))
      }
    } finally {
      this.drop()
    }
  }
}
