import {
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandOutput,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  type HeadObjectCommandOutput,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { abortError, BackupError, type RemoteObject } from '@backup-planet/core'
import { mayPass, patiently, pauseAfter } from '../client/patient-requests.ts'
import type { S3Store } from '../client/s3-store.ts'
import { customerKey, keyParameters, newObjectParameters, tokenMetadata } from '../objects/object-parameters.ts'
import { assertFromStore, describeObject, headObject } from '../objects/object-stat.ts'
import {
  checksumsOf,
  contradicts,
  multipartChecksumParameters,
  multipartChecksums,
  plainEtag,
  type SentChecksums,
  type WholeChecksums,
} from '../objects/sent-checksums.ts'
import { classifyS3Error, isS3Error } from '../s3-errors.ts'
import type { ContentReader } from './content-reading.ts'
import type { PartMemory } from './part-memory.ts'
import type { PartPlan } from './part-sizes.ts'
import type { JournaledPart } from './upload-journal.ts'

/** After an abort the answer to what is being committed is awaited for so long: it decides whether there is an object. */
const patienceAfterAbortMilliseconds = 3000

export interface SentPart extends SentChecksums {
  readonly number: number
  readonly etag: string
  readonly size: number
}

/**
 * Resolves with the id of the upload, of which `onBegun` hears before anybody else can run. `onUncertain` hears of every try after which
 * the store may have begun one whose id did not arrive.
 */
export async function beginMultipart(
  store: S3Store,
  key: string,
  object: { readonly sha256: string | undefined; readonly token: string },
  signal: AbortSignal | undefined,
  { onBegun, onUncertain }: { readonly onBegun: (uploadId: string) => void; readonly onUncertain: () => void },
): Promise<string> {
  return await patiently(
    async () => {
      try {
        const { output } = await store.send(
          new CreateMultipartUploadCommand({
            ...keyParameters(store, key),
            ...newObjectParameters(store.settings, object),
            ...multipartChecksumParameters(store.settings.profile.checksum),
          }),
          signal,
        )
        if (output.UploadId === undefined || output.UploadId === '') {
          throw new BackupError(`the store began an upload of ${key} and gave no id`, {
            code: 'UNSUPPORTED',
            hint: 'This store does not take objects in parts: keep them below 32 MiB, or use another store.',
          })
        }
        onBegun(output.UploadId)
        return output.UploadId
      } catch (error) {
        if (signal?.aborted || mayPass(error)) onUncertain()
        throw error
      }
    },
    { signal },
  )
}

/** What is sent, and what is known of it already. */
export interface PartsRequest {
  readonly key: string
  readonly uploadId: string
  readonly plan: PartPlan
  readonly reader: ContentReader
  /** The bytes of the first part where they are read already: a buffer of `memory`, which is given back here. */
  readonly first?: { readonly buffer: Buffer; readonly size: number } | undefined
  /** Parts that the store has, by number: bytes with this MD5 are not sent again. */
  readonly known?: ReadonlyMap<number, { readonly etag: string; readonly size: number; readonly md5: string }> | undefined
  readonly onSent?: ((part: JournaledPart) => Promise<void>) | undefined
}

/**
 * Reads the content to its end and sends what the store does not have, several parts at once. Rejects with the first failure, after
 * everything on its way has ended: then nothing of the content is held any more.
 */
export async function sendParts(
  store: S3Store,
  memory: PartMemory,
  request: PartsRequest,
  stop: AbortController,
): Promise<readonly SentPart[]> {
  const { key, plan, reader, known } = request
  const { concurrency, profile } = store.settings
  const sent: SentPart[] = []
  const running = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined

  function fail(error: unknown): void {
    failure ??= { error }
    stop.abort(error)
  }

  async function handle(number: number, buffer: Buffer, size: number): Promise<void> {
    try {
      const bytes = buffer.subarray(0, size)
      const checksums = checksumsOf(bytes, await store.md5.md5Of(bytes), profile.checksum)
      const there = known?.get(number)
      if (there !== undefined && there.size === size && there.md5 === checksums.md5) {
        sent.push({ ...checksums, number, size, etag: there.etag })
        return
      }
      const etag = await sendPart(store, request, number, bytes, checksums, stop.signal)
      await request.onSent?.({ part: number, etag, md5: checksums.md5 })
      sent.push({ ...checksums, number, size, etag })
    } finally {
      memory.giveBack(buffer)
    }
  }

  function start(number: number, buffer: Buffer, size: number): void {
    const task = handle(number, buffer, size).catch(fail)
    running.add(task)
    void task.then(() => running.delete(task))
  }

  let number = 1
  let capacity = 0
  try {
    if (request.first !== undefined) {
      capacity += request.first.size
      start(number++, request.first.buffer, request.first.size)
    }
    while (!(await reader.ended())) {
      while (running.size >= concurrency) await Promise.race(running)
      if (failure !== undefined) break
      if (capacity >= plan.capacityBytes) throw tooLarge(key, plan.capacityBytes)
      const buffer = await memory.take(plan.bytesOf(number), stop.signal)
      let size: number
      try {
        size = await reader.fill(buffer)
      } catch (error) {
        memory.giveBack(buffer)
        throw error
      }
      capacity += size
      start(number++, buffer, size)
    }
  } catch (error) {
    fail(error)
  }
  await Promise.all(running)
  if (failure !== undefined) throw failure.error
  return sent.sort((one, other) => one.number - other.number)
}

async function sendPart(
  store: S3Store,
  { key, uploadId }: PartsRequest,
  number: number,
  bytes: Buffer,
  checksums: SentChecksums,
  signal: AbortSignal,
): Promise<string> {
  return await patiently(
    async () => {
      const { output } = await store.send(
        new UploadPartCommand({
          ...keyParameters(store, key),
          ...customerKey(store.settings),
          ...checksums.request,
          UploadId: uploadId,
          PartNumber: number,
          Body: bytes,
        }),
        signal,
      )
      assertFromStore(output, `part ${number} of ${key}`)
      if (contradicts(output, checksums)) throw otherThanSent(`part ${number} of ${key}`)
      return plainEtag(output.ETag)
    },
    { signal },
  )
}

/** An object as it must be when this upload was executed and nothing happened to its bytes. */
export interface ExpectedObject {
  readonly key: string
  readonly token: string
  readonly size: number
  /** What `multipartChecksums` gives for its parts. */
  readonly whole: WholeChecksums
}

/**
 * Turns the parts into an object. Its confirmation must name it, and what the store then has is compared with what the parts give
 * together. When the answer is lost, the object is looked for by the token in its metadata: an upload that was executed is not executed
 * again, and one that was not is not taken for it. One of other bytes is removed, and the error is `isOtherThanSent`.
 */
export async function completeMultipart(
  store: S3Store,
  request: { readonly key: string; readonly uploadId: string; readonly token: string; readonly parts: readonly SentPart[] },
  signal: AbortSignal | undefined,
): Promise<RemoteObject> {
  const { key, uploadId, token, parts } = request
  const size = parts.reduce((sum, part) => sum + part.size, 0)
  const expected: ExpectedObject = { key, token, size, whole: multipartChecksums(parts) }
  const { commit, end } = commitSignal(signal)
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        const { output, at } = await store.send(
          new CompleteMultipartUploadCommand({
            ...keyParameters(store, key),
            ...customerKey(store.settings),
            UploadId: uploadId,
            MultipartUpload: {
              Parts: parts.map((part) => ({ PartNumber: part.number, ETag: `"${part.etag}"`, ...part.part })),
            },
          }),
          commit,
        )
        return await verified(store, expected, output, at, commit)
      } catch (error) {
        if (isOtherThanSent(error)) throw error
        const gone = isS3Error(error, 'NoSuchUpload')
        const uncertain = gone || mayPass(error) || commit.aborted
        if (!uncertain) throw error
        const found = await findCommitted(store, expected, commit)
        if (found !== undefined) return found
        if (signal?.aborted) throw abortError(signal, `upload of ${key}`)
        if (gone || attempt >= 6) throw error
        await pauseAfter(error, attempt, signal)
      }
    }
  } finally {
    end()
  }
}

/**
 * The object, when it is the one of this upload and whole; `undefined` when it is not or nobody can tell. One of this upload that is not
 * whole is removed, and the error is `isOtherThanSent`. Takes 15 seconds at most, and three after `commit` was aborted.
 */
export async function findCommitted(store: S3Store, expected: ExpectedObject, commit?: AbortSignal): Promise<RemoteObject | undefined> {
  const { key, token } = expected
  const long = AbortSignal.timeout(patienceAfterAbortMilliseconds * 5)
  const short = (): AbortSignal => AbortSignal.timeout(patienceAfterAbortMilliseconds)
  const signal = commit === undefined ? long : commit.aborted ? short() : AbortSignal.any([commit, long])
  const found = await patiently(() => headObject(store, key, signal, checksumsAsked(store)), { signal, attempts: 4 }).catch(() => undefined)
  if (found?.Metadata?.[tokenMetadata] !== token) return undefined
  if (!isWhole(found, expected)) throw await damaged(store, key)
  return describeObject(key, found)
}

/**
 * What the store has after it has confirmed. Who may not look at objects must be content with the confirmed checksums; so must who
 * finds the object of somebody else in its place, but only where they say that these bytes were stored.
 */
async function verified(
  store: S3Store,
  expected: ExpectedObject,
  answer: CompleteMultipartUploadCommandOutput,
  at: Date,
  commit: AbortSignal,
): Promise<RemoteObject> {
  const { key, token, size, whole } = expected
  if (plainEtag(answer.ETag) === '') throw notConfirmed(key, 'was answered by something that is no store')
  const contradicted = contradicts(answer, whole)
  const confirmed: RemoteObject = { key, size, modifiedAt: at.toISOString() }
  let found: Awaited<ReturnType<typeof headObject>>
  try {
    found = await patiently(() => headObject(store, key, commit, checksumsAsked(store)), { signal: commit, attempts: 4 })
  } catch (error) {
    if (contradicted) throw otherThanSent(key)
    if (commit.aborted || classifyS3Error(error) === 'ACCESS_DENIED' || mayPass(error)) return confirmed
    throw error
  }
  const ours = found?.Metadata?.[tokenMetadata] === token
  if (contradicted) throw ours ? await damaged(store, key) : otherThanSent(key)
  if (found === undefined) throw notConfirmed(key, 'was confirmed, but no such object is there')
  if (ours) {
    if (!isWhole(found, expected)) throw await damaged(store, key)
    return describeObject(key, found)
  }
  // Somebody else may have replaced it already.
  if (plainEtag(answer.ETag) !== whole.md5) throw notConfirmed(key, 'was confirmed, but another object is there')
  return confirmed
}

function isWhole(found: HeadObjectCommandOutput, { size, whole }: ExpectedObject): boolean {
  return found.ContentLength === size && !contradicts(found, whole)
}

/** A store repeats the newer checksums only where it is asked to; others need not hear of them. */
function checksumsAsked(store: S3Store): { readonly ChecksumMode?: 'ENABLED' } {
  return store.settings.profile.checksum === 'md5' ? {} : { ChecksumMode: 'ENABLED' }
}

/** Removes an object of ours that is not what was sent, so that nobody takes it for a backup, and gives the error. */
async function damaged(store: S3Store, key: string): Promise<BackupError> {
  const signal = AbortSignal.timeout(patienceAfterAbortMilliseconds)
  // Who may not remove it replaces it with the next attempt.
  await patiently(() => store.send(new DeleteObjectCommand(keyParameters(store, key)), signal), { signal }).catch(() => undefined)
  return otherThanSent(key)
}

/** Aborted a while after the caller's: what is being committed may still be answered. */
function commitSignal(signal: AbortSignal | undefined): { readonly commit: AbortSignal; readonly end: () => void } {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const onAbort = (): void => {
    timer ??= setTimeout(() => controller.abort(), patienceAfterAbortMilliseconds)
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  return {
    commit: controller.signal,
    end() {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    },
  }
}

/** Whether this says that a store has other bytes than were sent to it. */
export function isOtherThanSent(error: unknown): boolean {
  return BackupError.is(error) && error.code === 'CORRUPTED'
}

/** The parts are there still, or else the next attempt finds out. */
function notConfirmed(key: string, what: string): BackupError {
  return new BackupError(`the completion of ${key} ${what}`, {
    code: 'UNREACHABLE',
    retryable: true,
    hint: 'It is tried again by itself; if it goes on, look for a proxy or a firewall that answers in place of the store, and for whoever removes objects.',
  })
}

export function otherThanSent(what: string): BackupError {
  return new BackupError(`the store has other bytes of ${what} than were sent`, {
    code: 'CORRUPTED',
    retryable: true,
    hint: 'It is sent again by itself; look at the network and the memory of this machine if it happens again.',
  })
}

export function tooLarge(key: string, capacityBytes: number): BackupError {
  return new BackupError(`upload of ${key}: the content is larger than ${capacityBytes} bytes, which is what its parts can hold`, {
    code: 'UNSUPPORTED',
    hint: 'Raise memoryBytes, which bounds the size of a part, or set smaller volumes in the repository; an object has 5 TiB at most.',
  })
}
