import { BackupError, checkedContent } from '@backup-planet/core'
import { collect } from './byte-streams.ts'

export interface ExpectedContent {
  readonly size: number
  readonly sha256: string
}

const storedHint = 'Run verify with readData to learn what else is damaged, and restore this item from another backup.'

export function corrupted(message: string, cause?: unknown): BackupError {
  return new BackupError(message, { code: 'CORRUPTED', hint: storedHint, cause })
}

/**
 * Passes content on and throws `CORRUPTED` instead of ending when it is not what was stored; stops at the first byte
 * too many, so that nothing can grow beyond what the manifest says.
 */
export function checked(content: AsyncIterable<Uint8Array>, expected: ExpectedContent, what: string): AsyncIterable<Uint8Array> {
  return checkedContent({ size: expected.size, sha256: expected.sha256, open: () => content }, what, { hint: storedHint })
}

/** Lets at most `bytes` pass. */
export async function* limited(content: AsyncIterable<Uint8Array>, bytes: number, what: string): AsyncIterable<Uint8Array> {
  let size = 0
  for await (const chunk of content) {
    size += chunk.byteLength
    if (size > bytes) throw corrupted(`${what} has more than the ${bytes} bytes that it can need`)
    yield chunk
  }
}

/** The whole content in memory. Throws `CORRUPTED` as soon as it is larger than anything of its kind. */
export function collectAtMost(content: AsyncIterable<Uint8Array>, bytes: number, what: string): Promise<Buffer> {
  return collect(limited(content, bytes, what))
}

/** A small stored object, checked before anybody looks at it. Throws `CORRUPTED`, before reading when it cannot be of its kind. */
export async function collectStored(
  content: AsyncIterable<Uint8Array>,
  expected: ExpectedContent,
  largest: number,
  what: string,
): Promise<Buffer> {
  if (expected.size > largest) throw corrupted(`${what} has ${expected.size} bytes, more than the ${largest} that it can need`)
  return collect(checked(content, expected, what))
}

/** The bytes from `begin` to `end` of content that is being streamed. */
export async function* sliced(content: AsyncIterable<Uint8Array>, begin: number, end: number): AsyncIterable<Uint8Array> {
  let offset = 0
  if (begin >= end) return
  for await (const chunk of content) {
    const from = Math.max(0, begin - offset)
    const to = Math.min(chunk.byteLength, end - offset)
    if (from < to) yield chunk.subarray(from, to)
    offset += chunk.byteLength
    if (offset >= end) return
  }
}
