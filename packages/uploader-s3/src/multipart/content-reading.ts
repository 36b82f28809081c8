/** Content that is read into memory piece by piece, whatever the sizes of its chunks. */
export interface ContentReader {
  /** Copies the next bytes, as many as fit; fewer only at the end. */
  fill(buffer: Buffer): Promise<number>
  /** Whether the content has ended; reads on to know it. */
  ended(): Promise<boolean>
  /** Closes the content where it was not read to its end. */
  close(): Promise<void>
}

export function createContentReader(content: AsyncIterable<Uint8Array>): ContentReader {
  const iterator = content[Symbol.asyncIterator]()
  let chunk: Uint8Array = new Uint8Array(0)
  let done = false

  async function next(): Promise<void> {
    while (!done && chunk.byteLength === 0) {
      const result = await iterator.next()
      if (result.done === true) done = true
      else chunk = result.value
    }
  }

  return {
    async fill(buffer) {
      let filled = 0
      while (filled < buffer.byteLength) {
        await next()
        if (chunk.byteLength === 0) break
        const some = chunk.subarray(0, buffer.byteLength - filled)
        buffer.set(some, filled)
        filled += some.byteLength
        chunk = chunk.subarray(some.byteLength)
      }
      return filled
    },
    async ended() {
      await next()
      return chunk.byteLength === 0
    },
    async close() {
      if (!done) await iterator.return?.()
      done = true
      chunk = new Uint8Array(0)
    },
  }
}
