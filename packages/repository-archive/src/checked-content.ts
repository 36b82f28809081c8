import { createHash } from 'node:crypto'
import { BackupError } from '@backup-planet/core'

export interface ExpectedContent {
  readonly size: number
  readonly sha256: string
}

const storedHint = 'Run verify with readData to learn what else is damaged, and restore this item from another backup.'
const stagedHint = 'Nothing of this run was committed. Check the disk of the staging directory, remove this stage and run the backup again.'

export function corrupted(message: string, cause?: unknown): BackupError {
  return new BackupError(message, { code: 'CORRUPTED', hint: storedHint, cause })
}

/** Content of a staged file that must be what it was when it was staged; throws `CORRUPTED` like {@link checked}. */
export async function* checkedStaged(
  content: AsyncIterable<Uint8Array>,
  expected: ExpectedContent,
  what: string,
): AsyncIterable<Uint8Array> {
  try {
    yield* checked(content, expected, what)
  } catch (error) {
    if (!BackupError.is(error) || error.hint !== storedHint) throw error
    throw new BackupError(error.message, { code: error.code, hint: stagedHint })
  }
}

/**
 * Passes content on and throws `CORRUPTED` instead of ending when it is not what was stored; stops at the first byte
 * too many, so that nothing can grow beyond what the manifest says.
 */
export async function* checked(content: AsyncIterable<Uint8Array>, expected: ExpectedContent, what: string): AsyncIterable<Uint8Array> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of content) {
    size += chunk.byteLength
    if (size > expected.size) throw corrupted(`${what} is longer than the ${expected.size} bytes that were stored`)
    hash.update(chunk)
    yield chunk
  }
  if (size !== expected.size) throw corrupted(`${what} ends after ${size} of ${expected.size} bytes`)
  if (hash.digest('hex') !== expected.sha256) throw corrupted(`${what} does not have the SHA-256 that it was stored with`)
}

/** Lets at most `bytes` pass. */
export async function* limited(content: AsyncIterable<Uint8Array>, bytes: number, what: string): AsyncIterable<Uint8Array> {
  let size = 0
  for await (const chunk of content) {
    size += chunk.byteLength
    if (size > bytes) throw corrupted(`${what} unpacks to more than the ${bytes} bytes that its files can need`)
    yield chunk
  }
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
