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
  for (let attempt = 1; ; attempt++) {
    const begun = next
    try {
      const answer = await open(store, key, { begin: next, end: range?.end }, etag, signal)
      if (answer === undefined) return
      etag ??= answer.ETag
      for await (const chunk of bodyOf(answer, what)) {
        next += chunk.byteLength
        yield chunk
        throwIfAborted(signal, what)
      }
      return
    } catch (error) {
      throwIfAborted(signal, what)
      if (isS3Error(error, 'NoSuchKey', 'NotFound')) throw notFound(key)
      if (next > begun) attempt = 1
      // Before the first byte the retry layer around knows better how long to be patient.
      if (next === begin || attempt >= attemptsWithoutProgress || !mayPass(error)) throw error
      await pauseAfter(error, attempt, signal)
    }
  }
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

export function notFound(key: string): BackupError {
  return new BackupError(`object ${key} does not exist`, {
    code: 'NOT_FOUND',
    hint: 'Check the destination and its prefix; if they are right, the object was removed or never stored.',
  })
}
