import type { S3Store } from '../client/s3-store.ts'
import { abortUpload, listParts, listUnfinishedUploads, type UnfinishedUpload } from './unfinished-uploads.ts'
import type { UploadJournals } from './upload-journal.ts'
import type { UploadMarks } from './upload-marks.ts'

/** Clocks of stores and our own differ a little. */
const clockToleranceMilliseconds = 15 * 60_000
/** A store says the time in whole seconds. */
const secondMilliseconds = 1000

/** Uploads must not wait long for a store that has stopped answering; what is left is looked for again. */
const tidyWithinMilliseconds = 30_000

/** What uploads leave in a store when it does not answer, and who works on what. */
export interface Leftovers {
  /** Until the result is called an upload of this key is on its way here, and no unfinished one of it is touched. */
  work(key: string): () => void
  /** Whether more than one upload of this key is on its way here. */
  isShared(key: string): boolean
  begun(uploadId: string): void
  /** Nothing of it is left, or what is left is wanted. */
  ended(uploadId: string): void
  /**
   * Removes a begun upload, then calls `onGone`; what cannot be removed now is removed before the next upload. Resolves with whether it is gone.
   */
  discard(key: string, uploadId: string, onGone?: () => Promise<void>): Promise<boolean>
  /** An upload of this key may have been begun whose id nobody knows. */
  uncertain(key: string, since: Date): void
  /** Removes the uploads of exactly this key that were begun since then and are neither on their way here nor noted in its journal. */
  removeUnknown(key: string, since: Date, signal?: AbortSignal): Promise<void>
  /** Removes what is left of this uploader where nothing is on its way. Takes half a minute at most, less with a signal. Never rejects. */
  tidy(signal?: AbortSignal): Promise<void>
  /**
   * Removes what was left by others and by earlier processes, and to which nothing was sent for so long, and at once what nobody can go
   * on with that an earlier process of this machine has marked. Resolves with how many. What cannot be removed does not keep the rest: then it rejects at the end, with the first failure.
   */
  removeAbandoned(olderThanSeconds: number, signal?: AbortSignal): Promise<number>
}

interface Undone {
  readonly key: string
  readonly onGone: (() => Promise<void>) | undefined
}

export function createLeftovers(store: S3Store, journals: UploadJournals | undefined, marks?: UploadMarks): Leftovers {
  const working = new Map<string, number>()
  const active = new Set<string>()
  const undone = new Map<string, Undone>()
  const uncertainKeys = new Map<string, Date>()

  async function discard(uploadId: string, of: Undone, signal?: AbortSignal): Promise<boolean> {
    try {
      await abortUpload(store, of.key, uploadId, signal)
      undone.delete(uploadId)
    } catch {
      undone.set(uploadId, of)
      return false
    } finally {
      active.delete(uploadId)
    }
    await of.onGone?.()
    return true
  }

  /** Resolves with whether it came to its end; `goesOn` is asked before each removal. */
  async function removeUnknownWhile(goesOn: () => boolean, key: string, since: Date, signal: AbortSignal): Promise<boolean> {
    const wanted = (await journals?.read(key))?.facts.uploadId
    for await (const upload of listUnfinishedUploads(store, key, signal)) {
      if (!goesOn()) return false
      const mayBeOurs = upload.key === key && upload.uploadId !== wanted && !active.has(upload.uploadId)
      if (mayBeOurs && upload.begunAt.getTime() >= since.getTime() - clockToleranceMilliseconds)
        await abortUpload(store, key, upload.uploadId, signal)
    }
    return goesOn()
  }

  /** Where nobody here or in another process works on this key. Resolves with whether nothing is left. */
  async function removeUncertain(key: string, since: Date, signal: AbortSignal): Promise<boolean> {
    const idle = (): boolean => !working.has(key)
    if (!idle()) return false
    const claim = await journals?.claim(key)
    if (journals !== undefined && claim === undefined) return false
    try {
      return await removeUnknownWhile(idle, key, since, signal)
    } finally {
      await claim?.release()
    }
  }

  async function removeStaleJournal(key: string, signal: AbortSignal | undefined): Promise<boolean> {
    if (journals === undefined || working.has(key)) return false
    const claim = await journals.claim(key)
    if (claim === undefined) return false
    try {
      const facts = (await journals.read(key))?.facts
      if (facts === undefined) return false
      if (facts.uploadId !== undefined) await abortUpload(store, key, facts.uploadId, signal)
      else if (!(await removeUnknownWhile(() => !working.has(key), key, new Date(facts.begunAt), bounded(signal)))) return false
      await journals.remove(key)
      return true
    } finally {
      await claim.release()
    }
  }

  /** By the clock of the store, which says when the upload began and when each part came. */
  async function isAbandoned(upload: UnfinishedUpload, olderThanSeconds: number, signal: AbortSignal | undefined): Promise<boolean> {
    const before = upload.listedAt.getTime() + secondMilliseconds - olderThanSeconds * 1000
    if (upload.begunAt.getTime() > before) return false
    const parts = await listParts(store, upload.key, upload.uploadId, signal)
    if (parts === undefined) return false
    return [...parts.values()].every(({ storedAt }) => storedAt === undefined || storedAt.getTime() <= before)
  }

  return {
    work(key) {
      working.set(key, (working.get(key) ?? 0) + 1)
      return () => {
        const left = (working.get(key) ?? 1) - 1
        if (left === 0) working.delete(key)
        else working.set(key, left)
      }
    },
    isShared: (key) => (working.get(key) ?? 0) > 1,
    begun: (uploadId) => void active.add(uploadId),
    ended: (uploadId) => void active.delete(uploadId),
    discard: (key, uploadId, onGone) => discard(uploadId, { key, onGone }),
    async removeUnknown(key, since, signal) {
      await removeUnknownWhile(() => true, key, since, bounded(signal))
    },
    uncertain(key, since) {
      const earlier = uncertainKeys.get(key)
      if (earlier === undefined || earlier > since) uncertainKeys.set(key, since)
    },
    async tidy(signal) {
      const within = bounded(signal)
      for (const [uploadId, of] of undone) {
        if (within.aborted) return
        await discard(uploadId, of, within)
      }
      for (const [key, since] of uncertainKeys) {
        if (within.aborted) return
        const gone = await removeUncertain(key, since, within).catch(() => false)
        if (gone) uncertainKeys.delete(key)
      }
    },
    async removeAbandoned(olderThanSeconds, signal) {
      const failures: unknown[] = []
      let removed = 0
      const attempt = async (remove: () => Promise<boolean>): Promise<void> => {
        try {
          if (await remove()) removed++
        } catch (error) {
          if (signal?.aborted) throw error
          failures.push(error)
        }
      }
      for (const { key, uploadId, forget } of (await marks?.forsaken()) ?? []) {
        await attempt(async () => {
          await abortUpload(store, key, uploadId, signal)
          await forget()
          return true
        })
      }
      for (const key of (await journals?.stale(olderThanSeconds)) ?? []) await attempt(() => removeStaleJournal(key, signal))
      for await (const upload of listUnfinishedUploads(store, '', signal)) {
        const { key, uploadId } = upload
        const idle = (): boolean => !active.has(uploadId) && !working.has(key)
        await attempt(async () => {
          if (!idle() || !(await isAbandoned(upload, olderThanSeconds, signal)) || !idle()) return false
          await abortUpload(store, key, uploadId, signal)
          return true
        })
      }
      if (failures.length > 0) throw failures[0]
      return removed
    },
  }
}

function bounded(signal: AbortSignal | undefined): AbortSignal {
  const limit = AbortSignal.timeout(tidyWithinMilliseconds)
  return signal === undefined ? limit : AbortSignal.any([signal, limit])
}
