import type { S3Store } from '../client/s3-store.ts'
import { abortUpload, listUnfinishedUploads } from './unfinished-uploads.ts'
import type { UploadJournals } from './upload-journal.ts'

/** Clocks of stores and our own differ a little. */
const clockToleranceMilliseconds = 15 * 60_000

/** An upload that is done must not wait long for a store that has stopped answering; what is left is looked for again. */
const tidyWithinMilliseconds = 30_000

/** What uploads leave in a store when it does not answer, and who works on what. */
export interface Leftovers {
  /** Whether nobody else of this uploader works with the journal of this key; then it is taken. */
  claim(key: string): boolean
  release(key: string): void
  begun(uploadId: string): void
  /** Nothing of it is left, or what is left is wanted. */
  ended(uploadId: string): void
  /** Removes a begun upload; what cannot be removed now is removed before the next upload. Resolves with whether it is gone. */
  discard(key: string, uploadId: string): Promise<boolean>
  /** An upload of this key may have been begun whose id nobody knows. */
  uncertain(key: string, since: Date): void
  /** Removes the uploads of exactly this key that were begun since then and are not on their way here. */
  removeUnknown(key: string, since: Date): Promise<void>
  /** Removes what is left of this uploader. Never rejects. */
  tidy(): Promise<void>
  /** Removes what was left by others and by earlier processes. Resolves with how many. */
  removeAbandoned(olderThanSeconds: number, signal?: AbortSignal): Promise<number>
}

export function createLeftovers(store: S3Store, journals: UploadJournals | undefined): Leftovers {
  const claimed = new Set<string>()
  const active = new Set<string>()
  const undone = new Map<string, string>()
  const uncertainKeys = new Map<string, Date>()

  async function discard(key: string, uploadId: string): Promise<boolean> {
    try {
      await abortUpload(store, key, uploadId)
      undone.delete(uploadId)
      return true
    } catch {
      undone.set(uploadId, key)
      return false
    } finally {
      active.delete(uploadId)
    }
  }

  async function removeUnknown(key: string, since: Date): Promise<void> {
    for await (const upload of listUnfinishedUploads(store, key, AbortSignal.timeout(tidyWithinMilliseconds))) {
      const mayBeOurs = upload.key === key && !active.has(upload.uploadId)
      if (mayBeOurs && upload.begunAt.getTime() >= since.getTime() - clockToleranceMilliseconds)
        await abortUpload(store, key, upload.uploadId)
    }
  }

  async function removeStaleJournals(olderThanSeconds: number): Promise<number> {
    let removed = 0
    for (const { facts } of (await journals?.stale(olderThanSeconds)) ?? []) {
      if (claimed.has(facts.key)) continue
      if (facts.uploadId === undefined) await removeUnknown(facts.key, new Date(facts.begunAt))
      else await abortUpload(store, facts.key, facts.uploadId)
      await journals?.remove(facts.key)
      removed++
    }
    return removed
  }

  return {
    claim(key) {
      if (claimed.has(key)) return false
      claimed.add(key)
      return true
    },
    release: (key) => void claimed.delete(key),
    begun: (uploadId) => void active.add(uploadId),
    ended: (uploadId) => void active.delete(uploadId),
    discard,
    removeUnknown,
    uncertain(key, since) {
      const earlier = uncertainKeys.get(key)
      if (earlier === undefined || earlier > since) uncertainKeys.set(key, since)
    },
    async tidy() {
      for (const [uploadId, key] of undone) await discard(key, uploadId)
      for (const [key, since] of uncertainKeys) {
        const gone = await removeUnknown(key, since).then(
          () => true,
          () => false,
        )
        if (gone) uncertainKeys.delete(key)
      }
    },
    async removeAbandoned(olderThanSeconds, signal) {
      let removed = await removeStaleJournals(olderThanSeconds)
      const before = Date.now() - olderThanSeconds * 1000
      for await (const upload of listUnfinishedUploads(store, '', signal)) {
        if (active.has(upload.uploadId) || upload.begunAt.getTime() > before) continue
        await abortUpload(store, upload.key, upload.uploadId)
        removed++
      }
      return removed
    },
  }
}
