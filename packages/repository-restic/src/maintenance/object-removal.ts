import { type RemovalReport, removeObjects as removeFromStore } from '@backup-planet/core'
import type { StorageId } from '../format/storage-id.ts'
import { below, type ObjectKind, objectKey } from '../repository-objects.ts'
import type { MaintenanceWork } from './maintenance-lock.ts'

export interface RemovedObjects {
  readonly removed: ReadonlySet<StorageId>
  /** What the store refuses to remove now, such as a locked object. */
  readonly retained: RemovalReport['retained']
}

/** Whether the lock stands is looked at again after so many; where the store removes several in one request, one is of as many as it takes. */
const [removalsAtOnce, removalsTogether] = [100, 1000]

/** Removes objects as long as the lock is held. What the store refuses to remove is told and passed over. */
export async function removeObjects(
  { repository: { uploader }, lock, options }: MaintenanceWork,
  kind: ObjectKind,
  ids: readonly StorageId[],
): Promise<RemovedObjects> {
  const removed = new Set<StorageId>()
  const retained: RemovalReport['retained'][number][] = []
  const most = uploader.removeAll === undefined ? removalsAtOnce : removalsTogether
  for (let at = 0; at < ids.length; at += most) {
    await lock.assertHeld(options)
    const some = ids.slice(at, at + most)
    const keys = some.map((id) => objectKey(kind, id))
    const refused = await removeFromStore(uploader, keys, below(options))
    const kept = new Set(refused.map(({ key }) => key))
    some.forEach((id, index) => {
      if (!kept.has(keys[index] ?? '')) removed.add(id)
    })
    retained.push(...refused)
  }
  return { removed, retained }
}
