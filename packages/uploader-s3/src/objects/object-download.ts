import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3'
import { BackupError, type ByteRange, clampRange, throwIfAborted } from '@backup-planet/core'
import { mayPass, pauseAfter } from '../client/patient-requests.ts'
import type { S3Store } from '../client/s3-store.ts'
import { isS3Error, statusOf } from '../s3-errors.ts'
import { customerKey, keyParameters } from './object-parameters.ts'
import { assertFromStore, headObject } from './object-stat.ts'

/** How often a body may break off without a byte in between before the caller hears of it. */
const attemptsWithoutProgress = 3

/**
 * The bytes of an object. A body that breaks off is continued where it stopped, and by its ETag never with another object that has
 * replaced the first meanwhile.
 */
export async function* downloadObject(
  store: S3Store,
  key: string,
  range: ByteRange | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void> {
  const what = `download of ${key}`
  const { begin, end } = clampRange(range, Number.MAX_SAFE_INTEGER)
  if (begin === end || begin > Number.MAX_SAFE_INTEGER - 1) {
    if ((await headObject(store, key, signal)) === undefined) throw notFound(key)
    return
  }
  let next = begin
  let etag: string | undefined
  let extent: Extent | undefined
  for (let attempt = 1; ; attempt++) {
    const begun = next
    try {
      const answer = await open(store, key, { begin: next, end: range?.end }, etag, signal)
      if (answer === undefined && next > begin) throw changedSize(what, `it ends at ${next}`, extent?.total)
      if (answer === undefined) return
      const told = extentOf(answer, { begin: next, end: range?.end }, what)
      if (extent !== undefined && told.total !== extent.total) throw changedSize(what, `it has ${told.total} bytes`, extent.total)
      etag ??= answer.ETag
      extent ??= told
      for await (const chunk of bodyOf(answer, what)) {
        next += chunk.byteLength
        yield chunk
        throwIfAborted(signal, what)
      }
      if (extent.end !== undefined && next !== extent.end) throw wrongLength(what, next - begin, extent.end - begin)
      return
    } catch (error) {
      throwIfAborted(signal, what)
      // Only the end of the answer is missing.
      if (next === extent?.end) return
      if (isS3Error(error, 'NoSuchKey', 'NotFound')) throw notFound(key)
      if (next > begun) attempt = 1
      // Before the first byte the retry layer around knows better how long to be patient.
      if (next === begin || attempt >= attemptsWithoutProgress || !mayPass(error)) throw error
      await pauseAfter(error, attempt, signal)
    }
  }
}

/** What an object has, and where what is wanted of it ends; `undefined` where the store does not say. */
interface Extent {
  readonly total: number | undefined
  readonly end: number | undefined
}

/**
 * What the answer says of the object (RFC 9110, 14.4). Throws `UNSUPPORTED` when it is not what was asked for: a proxy that does not
 * know ranges gives the object from its first byte.
 */
function extentOf(
  { ContentRange, ContentLength }: GetObjectCommandOutput,
  { begin, end }: { readonly begin: number; readonly end: number | undefined },
  what: string,
): Extent {
  const [, first, size] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(ContentRange ?? '') ?? []
  const whole = begin === 0 && end === undefined && ContentRange === undefined
  if (!whole && (first === undefined || Number(first) !== begin)) {
    throw new BackupError(
      `${what}: asked for the bytes from ${begin} on, the answer is ${ContentRange ?? 'the object from its beginning'}`,
      {
        code: 'UNSUPPORTED',
        hint: 'Look for a proxy between that does not know ranges and go around it; a store must know them.',
      },
    )
  }
  const total = whole ? ContentLength : size === undefined || size === '*' ? undefined : Number(size)
  return { total, end: total === undefined ? end : Math.min(total, end ?? total) }
}

/** `undefined` when the object ends before the range begins. */
async function open(
  store: S3Store,
  key: string,
  { begin, end }: { readonly begin: number; readonly end: number | undefined },
  etag: string | undefined,
  signal: AbortSignal | undefined,
): Promise<GetObjectCommandOutput | undefined> {
  const whole = begin === 0 && end === undefined
  try {
    const { output } = await store.send(
      new GetObjectCommand({
        ...keyParameters(store, key),
        ...customerKey(store.settings),
        ...(whole ? {} : { Range: `bytes=${begin}-${end === undefined ? '' : end - 1}` }),
        ...(etag === undefined ? {} : { IfMatch: etag }),
      }),
      signal,
    )
    assertFromStore(output, `download of ${key}`)
    return output
  } catch (error) {
    if (statusOf(error) === 416) return undefined
    throw error
  }
}

async function* bodyOf({ Body, ContentLength }: GetObjectCommandOutput, what: string): AsyncGenerator<Uint8Array, void> {
  let received = 0
  // In Node.js it is a stream; the SDK's type is for browsers too.
  for await (const chunk of (Body ?? []) as AsyncIterable<Uint8Array>) {
    received += chunk.byteLength
    if (ContentLength !== undefined && received > ContentLength) throw wrongLength(what, received, ContentLength)
    yield chunk
  }
  if (ContentLength !== undefined && received !== ContentLength) throw wrongLength(what, received, ContentLength)
}

function wrongLength(what: string, received: number, announced: number): BackupError {
  return new BackupError(`${what}: the body has ${received} bytes, announced were ${announced}`, {
    code: 'UNREACHABLE',
    hint: 'The connection broke off: it is tried again; look at the network and the proxy between if it goes on.',
  })
}

/** The ETag is the same, or nobody looked at it. */
function changedSize(what: string, said: string, before: number | undefined): BackupError {
  return new BackupError(`${what}: the object has changed while it was read: ${said}, before it had ${before ?? 'more'} bytes`, {
    code: 'CONFLICT',
    hint: 'Read it again. If it goes on, look at the proxy between and at who writes this object.',
  })
}

export function notFound(key: string): BackupError {
  return new BackupError(`object ${key} does not exist`, {
    code: 'NOT_FOUND',
    hint: 'Check the destination and its prefix; if they are right, the object was removed or never stored.',
  })
}
