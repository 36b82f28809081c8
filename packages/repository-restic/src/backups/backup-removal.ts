import {
  type Backup,
  type OperationOptions,
  type RemovalReport,
  type RetainedObject,
  removeObjects,
  throwIfAborted,
} from '@backup-planet/core'
import { writableConfig } from '../repository-access.ts'
import { lockRepository } from '../repository-lock.ts'
import { below, objectKey } from '../repository-objects.ts'
import type { ResticSession } from '../restic-session.ts'
import { findSnapshots, isBackup } from './snapshot-catalog.ts'

/**
 * Removes the snapshots of backups; what only they held is removed by prune. Needs no exclusive lock: no pack is touched, and nobody
 * who stores at this moment builds on a snapshot.
 */
export async function removeBackups(session: ResticSession, backups: readonly Backup[], options: OperationOptions): Promise<RemovalReport> {
  throwIfAborted(options.signal, 'removing backups')
  const repository = await session.openForWriting(options)
  writableConfig(repository)
  await using _ = await lockRepository(
    repository,
    { exclusive: false, waitMilliseconds: session.settings.waitForLockMilliseconds },
    options,
  )
  const { snapshots } = await findSnapshots(session, options)
  const removed: string[] = []
  const retained: RetainedObject[] = []
  for (const { id, job } of backups) {
    const found = snapshots.filter((snapshot) => isBackup(snapshot, { id, job }))
    let kept = false
    for (const snapshot of found) {
      throwIfAborted(options.signal, 'removing backups')
      const key = objectKey('snapshots', snapshot.id)
      // Not hidden where it is locked, as `remove` may: what stays in the store stays in the list.
      const refused = await removeObjects(session.uploader, [key], below(options))
      kept ||= refused.length > 0
      retained.push(...refused)
    }
    if (kept) break
    if (found.length > 0) removed.push(id)
  }
  return { removed, bytes: 0, retained }
}
