import { BackupError, type RemovalReport } from '@backup-planet/core'
import type { StorageId } from '../format/storage-id.ts'
import { eachAtOnce } from '../repository-index.ts'
import { below, type ObjectKind, objectKey } from '../repository-objects.ts'
import type { MaintenanceWork } from './maintenance-lock.ts'

export interface RemovedObjects {
  readonly removed: ReadonlySet<StorageId>
  /** What the store refuses to remove now, such as a locked object. */
  readonly retained: RemovalReport['retained']
}

/** Whether the lock stands is looked at again after so many. */
const removalsAtOnce = 100

/** Removes objects as long as the lock is held. What the store refuses to remove is told and passed over. */
export async function removeObjects(
  { repository: { uploader }, lock, options }: MaintenanceWork,
  kind: ObjectKind,
  ids: readonly StorageId[],
): Promise<RemovedObjects> {
  const removed = new Set<StorageId>()
  const retained: { readonly key: string; readonly reason: string }[] = []
  for (let at = 0; at < ids.length; at += removalsAtOnce) {
    await lock.assertHeld(options)
    await eachAtOnce(ids.slice(at, at + removalsAtOnce), uploader.supports.concurrency, async (id) => {
      options.signal?.throwIfAborted()
      const key = objectKey(kind, id)
      try {
        await uploader.remove(key, below(options))
        removed.add(id)
      } catch (error) {
        if (!BackupError.is(error) || error.code !== 'ACCESS_DENIED') throw error
        retained.push({ key, reason: error.message })
      }
    })
  }
  return { removed, retained }
}
