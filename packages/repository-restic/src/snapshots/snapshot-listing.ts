import { BackupError, type OperationOptions, throwIfAborted } from '@backup-planet/core'
import { tagValue } from '../backups/backup-tree.ts'
import { type FoundSnapshot, findSnapshots, isBackup, tellProblem } from '../backups/snapshot-catalog.ts'
import { parseSnapshot } from '../format/snapshot-record.ts'
import type { StorageId } from '../format/storage-id.ts'
import { listObjects, readSealedJson } from '../repository-objects.ts'
import type { ResticSession } from '../restic-session.ts'

/** A snapshot as restic shows it, whoever made it. */
export interface Snapshot {
  readonly id: StorageId
  /** ISO 8601, as it was written: with up to nine digits of a second, and any offset from UTC. */
  readonly time: string
  readonly hostname: string
  readonly username: string
  /** What was backed up, as the host that did it calls it. */
  readonly paths: readonly string[]
  readonly tags: readonly string[]
  /** The id of the backup in it; absent where restic itself made the snapshot. */
  readonly backup?: string
}

/** Oldest first. A record that is damaged is told as a problem and left out. */
export async function* listSnapshots(session: ResticSession, options: OperationOptions): AsyncGenerator<Snapshot, void> {
  throwIfAborted(options.signal, 'listing the snapshots')
  const { snapshots, failures } = await findSnapshots(session, options)
  for (const failure of failures) tellProblem(failure, options)
  for (const snapshot of snapshots) {
    throwIfAborted(options.signal, 'listing the snapshots')
    yield described(snapshot)
  }
}

function described(snapshot: FoundSnapshot): Snapshot {
  const { time, hostname = '', username = '', paths, tags = [] } = snapshot.record
  const backup = isBackup(snapshot) ? tagValue(tags, 'id') : undefined
  return { id: snapshot.id, time, hostname, username, paths, tags, ...(backup === undefined ? {} : { backup }) }
}

/** By its id or the beginning of it. Throws `NOT_FOUND`, `INVALID_INPUT` when several begin like this, and `CORRUPTED`. */
export async function snapshotById(session: ResticSession, id: string, options: OperationOptions): Promise<FoundSnapshot> {
  const repository = await session.open(options)
  const matching: StorageId[] = []
  if (/^[0-9a-f]+$/.test(id))
    for await (const found of listObjects(session.uploader, 'snapshots', options)) if (found.id.startsWith(id)) matching.push(found.id)
  await session.refreshIndex(options)
  const [only] = matching
  if (only === undefined || matching.length > 1) {
    throw new BackupError(
      `${matching.length === 0 ? 'no snapshot' : `${matching.length} snapshots`} of ${session.uploader.destination} begin with ${JSON.stringify(id)}`,
      { code: matching.length === 0 ? 'NOT_FOUND' : 'INVALID_INPUT', hint: 'List the snapshots to see their ids.' },
    )
  }
  const record = session.snapshots.get(only) ?? (await readSealedJson(repository, 'snapshots', only, parseSnapshot, options))
  session.snapshots.set(only, record)
  return { id: only, record }
}
