import { randomBytes } from 'node:crypto'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import {
  abortError,
  BackupError,
  type CheckedContent,
  checkedContent,
  isPassingKey,
  measuredContent,
  type RemoteObject,
  type Reopenable,
} from '@backup-planet/core'
import { mayPass } from '../client/patient-requests.ts'
import type { S3Store } from '../client/s3-store.ts'
import { type ContentReader, createContentReader } from '../multipart/content-reading.ts'
import type { Leftovers } from '../multipart/leftovers.ts'
import {
  beginMultipart,
  completeMultipart,
  type ExpectedObject,
  findCommitted,
  isOtherThanSent,
  otherThanSent,
  type PartsRequest,
  sendParts,
  tooLarge,
} from '../multipart/multipart-upload.ts'
import type { PartMemory } from '../multipart/part-memory.ts'
import { largestObjectBytes, mostParts, planParts } from '../multipart/part-sizes.ts'
import { abortUpload, listParts } from '../multipart/unfinished-uploads.ts'
import type { JournalClaim, OpenJournal, UploadJournals } from '../multipart/upload-journal.ts'
import type { UploadMarks } from '../multipart/upload-marks.ts'
import { creationFingerprint, keyParameters, newObjectParameters, withoutLock } from './object-parameters.ts'
import { assertFromStore } from './object-stat.ts'
import { checksumsOf, contradicts, multipartChecksums } from './sent-checksums.ts'

/** What all uploads of an uploader share. */
export interface UploadParts {
  readonly store: S3Store
  readonly memory: PartMemory
  readonly journals: UploadJournals | undefined
  /** Where there are journals. */
  readonly marks?: UploadMarks | undefined
  readonly leftovers: Leftovers
}

/** Content of known size up to this is sent in one request: a pack of a repository needs no four. */
const largestSingleBytes = 32 * 1024 ** 2

/** All or nothing. Resolves when the store has confirmed every byte by its checksum. */
export async function uploadObject(
  parts: UploadParts,
  key: string,
  content: Reopenable,
  signal: AbortSignal | undefined,
): Promise<RemoteObject> {
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  const what = `upload of ${key}`
  // Every part is compared with what arrived by its MD5: another hash of the whole would say nothing that nobody announced.
  const alone = content.size !== undefined && content.size > largestSingleBytes && content.sha256 === undefined
  const checked = alone ? undefined : checkedContent(content, what, { signal: stop.signal })
  const reader = createContentReader(checked ?? measuredContent(content, what, { signal: stop.signal }))
  const done = parts.leftovers.work(key)
  try {
    return await sendContent(parts, { key, content, checked, reader, stop, signal })
  } catch (error) {
    if (signal?.aborted) throw abortError(signal, `upload of ${key}`)
    throw error
  } finally {
    done()
    signal?.removeEventListener('abort', onAbort)
    await reader.close()
  }
}

interface Upload {
  readonly key: string
  readonly content: Reopenable
  /** Left out for an object in parts of which no hash was announced. */
  readonly checked: CheckedContent | undefined
  readonly reader: ContentReader
  /** Ends everything of this upload; its signal is aborted by the caller's as well. */
  readonly stop: AbortController
  /** The caller's. */
  readonly signal: AbortSignal | undefined
}

async function sendContent(parts: UploadParts, upload: Upload): Promise<RemoteObject> {
  const { store, memory } = parts
  const { key, content, checked, reader, stop } = upload
  const { settings } = store
  const plan = planParts({
    size: content.size,
    firstPartBytes: settings.partBytes,
    mostPartBytes: settings.mostPartBytes,
    equal: settings.profile.equalParts,
  })
  const { size } = content
  if (size !== undefined && size > plan.capacityBytes) {
    throw size > largestObjectBytes ? tooLarge(key, largestObjectBytes) : tooSmallMemory(key, size)
  }
  const single = size !== undefined && size <= Math.min(largestSingleBytes, Math.max(settings.partBytes, settings.memoryBytes / 2))
  if (size !== undefined && !single) return await sendInParts(parts, upload, plan.bytesOf(1))
  const buffer = await memory.take(single ? size : plan.bytesOf(1), stop.signal)
  let held = true
  try {
    const filled = await reader.fill(buffer)
    if (await reader.ended()) return await putObject(store, key, buffer.subarray(0, filled), checked?.facts().sha256, stop.signal)
    held = false
    return await sendStream(parts, upload, { plan, first: { buffer, size: filled } })
  } finally {
    if (held) memory.giveBack(buffer)
  }
}

async function putObject(
  store: S3Store,
  key: string,
  bytes: Buffer,
  sha256: string | undefined,
  signal: AbortSignal,
): Promise<RemoteObject> {
  const checksums = checksumsOf(bytes, await store.md5.md5Of(bytes), store.settings.profile.checksum)
  const token = newToken()
  const { output, at } = await store.send(
    new PutObjectCommand({
      ...keyParameters(store, key),
      ...newObjectParameters(isPassingKey(key) ? withoutLock(store.settings) : store.settings, { sha256, token }),
      ...checksums.request,
      ContentLength: bytes.byteLength,
      Body: bytes,
    }),
    signal,
  )
  assertFromStore(output, `upload of ${key}`)
  if (contradicts(output, checksums)) throw otherThanSent(key)
  return withSha256({ key, size: bytes.byteLength, modifiedAt: at.toISOString() }, sha256)
}

/** Content of unknown size, of which nothing can be known beforehand and so nothing continued later. */
async function sendStream(parts: UploadParts, upload: Upload, begun: Pick<PartsRequest, 'plan' | 'first'>): Promise<RemoteObject> {
  const { store, memory, marks, leftovers } = parts
  const { key, checked, reader, stop, signal } = upload
  const token = newToken()
  const since = new Date()
  let given = false
  try {
    const uploadId = await begin(parts, upload, token, since)
    const unmark = await marks?.mark({ key, uploadId })
    try {
      given = true
      const sent = await sendParts(store, memory, { key, uploadId, reader, ...begun }, stop)
      const object = await completeMultipart(store, { key, uploadId, token, parts: sent }, signal)
      leftovers.ended(uploadId)
      await unmark?.()
      return withSha256(object, checked?.facts().sha256)
    } catch (error) {
      await leftovers.discard(key, uploadId, unmark)
      throw error
    }
  } finally {
    if (!given && begun.first !== undefined) memory.giveBack(begun.first.buffer)
  }
}

/** Content of known size; goes on where an earlier attempt stopped when there is a journal of it. */
async function sendInParts(parts: UploadParts, upload: Upload, partBytes: number): Promise<RemoteObject> {
  const { store, memory, journals, marks, leftovers } = parts
  const { key, content, checked, reader, stop, signal } = upload
  const { size, sha256 } = content
  const announced = size === undefined || sha256 === undefined ? undefined : { size, sha256 }
  const claim = announced === undefined ? undefined : await claimJournal(parts, key)
  const journaled = claim !== undefined
  try {
    const resumed = announced !== undefined && journaled ? await resumable(parts, key, announced, stop.signal) : undefined
    if (resumed?.committed !== undefined) {
      await forget(journals, key)
      return withSha256(resumed.committed, sha256)
    }
    const begun = resumed?.begun ?? (await beginJournaled(parts, upload, partBytes, journaled))
    const { facts, known } = begun
    const journal = begun.journal === undefined ? undefined : lenient(begun.journal)
    leftovers.begun(facts.uploadId)
    const unmark = journal === undefined ? await marks?.mark({ key, uploadId: facts.uploadId }) : undefined
    let completing = false
    try {
      const plan = { bytesOf: () => facts.partBytes, capacityBytes: facts.partBytes * mostParts }
      const sent = await sendParts(store, memory, { key, uploadId: facts.uploadId, plan, reader, known, onSent: journal?.note }, stop)
      // An object whose confirmation is lost with this process is recognised by it, and one of other bytes is not.
      await journal?.noteWhole(multipartChecksums(sent))
      completing = true
      const object = await completeMultipart(store, { key, uploadId: facts.uploadId, token: facts.token, parts: sent }, signal)
      await journal?.close()
      if (journaled) await forget(journals, key)
      await unmark?.()
      leftovers.ended(facts.uploadId)
      return withSha256(object, checked?.facts().sha256)
    } catch (error) {
      await journal?.close()
      // What may pass is tried again, and goes on from here. Everything else leaves nothing, and so do parts that gave other bytes together.
      const goesOn = mayPass(error) && !(completing && isOtherThanSent(error))
      if (journal !== undefined && !signal?.aborted && goesOn) leftovers.ended(facts.uploadId)
      else if ((await leftovers.discard(key, facts.uploadId, unmark)) && journaled) await forget(journals, key)
      throw error
    }
  } finally {
    await claim?.release()
  }
}

async function claimJournal({ store, journals }: UploadParts, key: string): Promise<JournalClaim | undefined> {
  try {
    return await journals?.claim(key)
  } catch (error) {
    if (isFull(error)) return undefined
    throw journalError(error, store.settings.journalDirectory ?? '')
  }
}

/**
 * A journal whose disk is full or gone is given up: the upload goes on, and a later one begins before the part that could not be noted.
 * Nothing here rejects.
 */
function lenient(journal: OpenJournal): OpenJournal {
  let broken = false
  const unlessBroken = async (write: () => Promise<void>): Promise<void> => {
    if (broken) return
    await write().catch(() => {
      broken = true
    })
  }
  return {
    note: (part) => unlessBroken(() => journal.note(part)),
    noteWhole: (whole) => unlessBroken(() => journal.noteWhole(whole)),
    close: () => journal.close().catch(() => undefined),
  }
}

/** A journal that stays says what is true still: the next upload of its key finds out. */
async function forget(journals: UploadJournals | undefined, key: string): Promise<void> {
  await journals?.remove(key).catch(() => undefined)
}

/** Resolves with the id of a new upload. Where its answer was lost, what the store may have begun is removed after this upload. */
async function begin({ store, leftovers }: UploadParts, upload: Upload, token: string, since: Date): Promise<string> {
  const { key, content, stop } = upload
  return await beginMultipart(store, key, { sha256: content.sha256, token }, stop.signal, {
    onBegun: leftovers.begun,
    onUncertain: () => leftovers.uncertain(key, since),
  })
}

interface BegunUpload {
  readonly facts: { readonly uploadId: string; readonly token: string; readonly partBytes: number }
  readonly known?: PartsRequest['known']
  readonly journal?: OpenJournal | undefined
}

/** The journal is there before the store is asked, so that not even an upload is forgotten whose id did not arrive. */
async function beginJournaled(parts: UploadParts, upload: Upload, partBytes: number, journaled: boolean): Promise<BegunUpload> {
  const { store, journals } = parts
  const { key, content } = upload
  const { size, sha256 } = content
  const token = newToken()
  const since = new Date()
  const { destination } = store.place
  const intent =
    journaled && size !== undefined && sha256 !== undefined
      ? { destination, key, size, sha256, partBytes, settings: creationFingerprint(store.settings), token, begunAt: since.toISOString() }
      : undefined
  try {
    if (intent !== undefined) await (await journals?.begin(intent))?.close()
  } catch (error) {
    if (isFull(error)) return await beginJournaled(parts, upload, partBytes, false)
    throw journalError(error, store.settings.journalDirectory ?? '')
  }
  const uploadId = await begin(parts, upload, token, since)
  const facts = { uploadId, token, partBytes }
  if (intent === undefined) return { facts }
  try {
    return { facts, journal: await journals?.begin({ ...intent, uploadId }) }
  } catch {
    // What the disk had room for a moment ago it has no more: the upload cannot go on after a crash, and goes on now.
    return { facts }
  }
}

/**
 * What an earlier attempt with the same content left: an upload that goes on, or the object itself where it had been completed and
 * only the answer was missing. What was left of other content, or begun by other settings, is removed.
 */
async function resumable(
  { store, journals, leftovers }: UploadParts,
  key: string,
  content: { readonly size: number; readonly sha256: string },
  signal: AbortSignal,
): Promise<{ readonly committed?: RemoteObject; readonly begun?: BegunUpload } | undefined> {
  const found = await journals?.read(key)
  if (journals === undefined || found === undefined) return undefined
  const { facts, parts, whole } = found
  const { uploadId } = facts
  if (uploadId === undefined) {
    const since = new Date(facts.begunAt)
    if (leftovers.isShared(key)) leftovers.uncertain(key, since)
    else await leftovers.removeUnknown(key, since, signal)
    await journals.remove(key)
    return undefined
  }
  const sameContent = facts.size === content.size && facts.sha256 === content.sha256 && facts.partBytes * mostParts >= content.size
  if (!sameContent || facts.settings !== creationFingerprint(store.settings)) {
    await abortUpload(store, key, uploadId, signal)
    await journals.remove(key)
    return undefined
  }
  const stored = await listParts(store, key, uploadId, signal)
  if (stored === undefined) {
    const expected = { key, token: facts.token, size: content.size, whole }
    const committed = await committedBefore(store, expected, signal)
    if (committed === undefined) await journals.remove(key)
    return committed === undefined ? undefined : { committed }
  }
  const known = new Map<number, { etag: string; size: number; md5: string }>()
  for (const [number, { etag, size }] of stored) {
    const noted = parts.get(number)
    // Confirmed and not yet noted when the process ended: the ETag itself is the MD5, unless the store encrypts by another key.
    const md5 = noted?.etag === etag ? noted.md5 : /^[0-9a-f]{32}$/.test(etag) ? etag : undefined
    if (md5 !== undefined) known.set(number, { etag, size, md5 })
  }
  try {
    return { begun: { facts: { ...facts, uploadId }, known, journal: await journals.resume(key) } }
  } catch (error) {
    if (isFull(error)) return { begun: { facts: { ...facts, uploadId }, known } }
    throw journalError(error, store.settings.journalDirectory ?? '')
  }
}

/** Before its whole was noted nobody had asked the store to make an object of the parts. */
async function committedBefore(
  store: S3Store,
  { whole, ...rest }: Omit<ExpectedObject, 'whole'> & { readonly whole: ExpectedObject['whole'] | undefined },
  signal: AbortSignal,
): Promise<RemoteObject | undefined> {
  if (whole === undefined) return undefined
  try {
    return await findCommitted(store, { ...rest, whole }, signal)
  } catch (error) {
    if (isOtherThanSent(error)) return undefined
    throw error
  }
}

/** 16 bytes: nobody else's upload has the same. */
function newToken(): string {
  return randomBytes(16).toString('hex')
}

function withSha256(object: RemoteObject, sha256: string | undefined): RemoteObject {
  return sha256 === undefined ? object : { ...object, sha256 }
}

function tooSmallMemory(key: string, size: number): BackupError {
  const least = Math.ceil(size / mostParts / 1024 ** 2) * 1024 ** 2
  return new BackupError(`upload of ${key}: ${size} bytes need parts of ${least} bytes, which is more than memoryBytes`, {
    code: 'INVALID_SETTINGS',
    hint: `Set memoryBytes of the uploader to ${least} or more, or leave it out; an upload has ${mostParts} parts at most.`,
  })
}

/** A disk without room for a journal keeps no backup from being stored. */
function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(String((error as { code?: unknown } | undefined)?.code))
}

function journalError(error: unknown, directory: string): unknown {
  const code = (error as { code?: unknown } | undefined)?.code
  if (typeof code !== 'string' || !/^E[A-Z]+$/.test(code)) return error
  return new BackupError(`the journal of an upload cannot be written: ${code} in ${directory}`, {
    code: 'ACCESS_DENIED',
    hint: `Let the user that runs backups write to ${directory}; without journalDirectory uploads cannot go on after a crash.`,
    cause: error,
  })
}
