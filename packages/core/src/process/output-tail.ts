/** Keeps the last `limit` bytes of what is added. */
export interface OutputTail {
  add(chunk: Uint8Array): void
  readonly omittedBytes: number
  text(): string
}

export function createOutputTail(limit: number): OutputTail {
  let chunks: Uint8Array[] = []
  let held = 0
  let total = 0
  return {
    add(chunk) {
      chunks.push(chunk)
      held += chunk.byteLength
      total += chunk.byteLength
      // Only now and then, so that many small chunks cost no copy each.
      if (held > limit * 2 + 64 * 1024) {
        const kept = Buffer.from(Buffer.concat(chunks).subarray(held - limit))
        chunks = [kept]
        held = kept.byteLength
      }
    },
    get omittedBytes() {
      return Math.max(0, total - limit)
    },
    text() {
      const bytes = Buffer.concat(chunks)
      let begin = Math.max(0, bytes.length - limit)
      // Never begins inside a UTF-8 character.
      if (total > limit) while (begin < bytes.length && ((bytes[begin] ?? 0) & 0xc0) === 0x80) begin++
      return bytes.toString('utf8', begin)
    },
  }
}
