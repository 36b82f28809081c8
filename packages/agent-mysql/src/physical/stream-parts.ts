/** Cuts a stream into streams of at most `bytes` each, one after the other; each must be read to its end before the next is asked for. */
export async function* streamParts(source: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<AsyncIterable<Uint8Array>> {
  const iterator = source[Symbol.asyncIterator]()
  let held: Uint8Array | undefined
  const fill = async (): Promise<boolean> => {
    while (held === undefined || held.length === 0) {
      const next = await iterator.next()
      if (next.done === true) return false
      held = next.value
    }
    return true
  }
  async function* part(): AsyncGenerator<Uint8Array> {
    let left = bytes
    while (left > 0 && (await fill())) {
      const chunk = held ?? new Uint8Array(0)
      const given = chunk.subarray(0, left)
      held = chunk.subarray(given.length)
      left -= given.length
      yield given
    }
  }
  try {
    while (await fill()) yield part()
  } finally {
    await iterator.return?.()
  }
}
