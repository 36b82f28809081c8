import { type Backup, BackupError, type OperationOptions, type RemovalReport, throwIfAborted } from '@backup-planet/core'
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
  const retained: { readonly key: string; readonly reason: string }[] = []
  for (const { id, job } of backups) {
    const found = snapshots.filter((snapshot) => isBackup(snapshot, { id, job }))
    let kept = false
    for (const snapshot of found) {
      throwIfAborted(options.signal, 'removing backups')
      const key = objectKey('snapshots', snapshot.id)
      try {
        await session.uploader.remove(key, below(options))
      } catch (error) {
        if (!BackupError.is(error) || error.code !== 'ACCESS_DENIED') throw error
        kept = true
        retained.push({ key, reason: error.message })
      }
    }
    if (kept) break
    if (found.length > 0) removed.push(id)
  }
  return { removed, bytes: 0, retained }
}
