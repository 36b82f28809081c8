import { createHash } from 'node:crypto'
import type { Reopenable } from '../contracts/index.ts'

/** `bytes` in pieces of these sizes, the last size repeated to the end; a fresh stream on every iteration, never one buffer twice. */
export function chunksOf(bytes: Uint8Array, sizes: readonly number[]): AsyncIterable<Uint8Array> {
  if (sizes.length === 0 || sizes.some((size) => !Number.isSafeInteger(size) || size < 1))
    throw new TypeError('sizes are positive integers')
  return {
    async *[Symbol.asyncIterator]() {
      let offset = 0
      for (let index = 0; offset < bytes.byteLength; index++) {
        const size = sizes[Math.min(index, sizes.length - 1)] ?? 1
        yield Uint8Array.prototype.slice.call(bytes, offset, offset + size)
        offset += size
      }
    },
  }
}

/** Content with its true size and hash announced. */
export function reopenable(
  bytes: Uint8Array,
  sizes: readonly number[] = [64 * 1024],
): Reopenable & { readonly size: number; readonly sha256: string } {
  return { size: bytes.byteLength, sha256: sha256Of(bytes), open: () => chunksOf(bytes, sizes) }
}

export function sha256Of(bytes: Uint8Array): string {
  const hash = createHash('sha256')
  // One call takes less than 2 GiB.
  for (let at = 0; at < bytes.byteLength; at += 1024 ** 3) hash.update(bytes.subarray(at, at + 1024 ** 3))
  return hash.digest('hex')
}

/** Everything an iterable gives, as one buffer. */
export async function bytesOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** The same bytes for the same seed and never the same for another; not compressible to nothing, and cheap. */
export function sampleBytes(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size)
  let state = (seed * 2654435761) >>> 0 || 1
  for (let index = 0; index < size; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[index] = state & 0xff
  }
  return bytes
}
