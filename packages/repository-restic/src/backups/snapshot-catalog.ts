import { type Backup, BackupError, type BackupFilter, type OperationOptions, parseManifest, throwIfAborted } from '@backup-planet/core'
import { parseSnapshot, type SnapshotRecord } from '../format/snapshot-record.ts'
import type { StorageId } from '../format/storage-id.ts'
import { findNode } from '../read/tree-walk.ts'
import { eachAtOnce } from '../repository-index.ts'
import { listObjects, objectKey, readSealedJson } from '../repository-objects.ts'
import { damaged, isDamage } from '../restic-errors.ts'
import type { ResticSession } from '../restic-session.ts'
import { manifestName, tagValue } from './backup-tree.ts'
import { readWholeFile } from './whole-file.ts'

export interface FoundSnapshot {
  readonly id: StorageId
  readonly record: SnapshotRecord
}

export interface FoundSnapshots {
  readonly snapshots: readonly FoundSnapshot[]
  readonly failures: readonly BackupError[]
}

/** Every snapshot there is, oldest first, whoever wrote it; those that are damaged apart. */
export async function findSnapshots(session: ResticSession, options: OperationOptions): Promise<FoundSnapshots> {
  const repository = await session.open(options)
  const ids: StorageId[] = []
  for await (const { id } of listObjects(session.uploader, 'snapshots', options)) ids.push(id)
  // Whoever wrote or pruned since the index was read, what these snapshots hold is found where it is now.
  await session.refreshIndex(options)
  const failures: BackupError[] = []
  const snapshots: FoundSnapshot[] = []
  await eachAtOnce(ids, session.uploader.supports.concurrency, async (id) => {
    try {
      const record = session.snapshots.get(id) ?? (await readSealedJson(repository, 'snapshots', id, parseSnapshot, options))
      session.snapshots.set(id, record)
      snapshots.push({ id, record })
    } catch (error) {
      if (!BackupError.is(error)) throw error
      if (error.code === 'CORRUPTED') failures.push(error)
      // Removed by somebody between the listing and now.
      else if (error.code !== 'NOT_FOUND') throw error
    }
  })
  const time = ({ record }: FoundSnapshot) => Date.parse(record.time)
  snapshots.sort((left, right) => time(left) - time(right) || (left.id < right.id ? -1 : 1))
  return { snapshots, failures }
}

/** Written by us, and of this job or backup where the filter says so; what restic itself wrote has no such tags. */
export function isBackup({ record: { tags } }: FoundSnapshot, filter: BackupFilter = {}): boolean {
  const id = tagValue(tags, 'id')
  const job = tagValue(tags, 'job')
  if (id === undefined || job === undefined || tagValue(tags, 'application') === undefined) return false
  return (filter.id ?? id) === id && (filter.job ?? job) === job
}

/** Backups, oldest first. A record that cannot be read is told as a problem and left out. */
export async function* listBackups(session: ResticSession, filter: BackupFilter, options: OperationOptions): AsyncGenerator<Backup, void> {
  throwIfAborted(options.signal, 'listing the backups')
  const { snapshots, failures } = await findSnapshots(session, options)
  for (const failure of failures) tellProblem(failure, options)
  const cache = await session.cache(options)
  if (Object.keys(filter).length === 0 && failures.length === 0) await cache.keepOnly(new Set(snapshots.map(({ id }) => id)))
  const backups: Backup[] = []
  const seen = new Set<string>()
  for (const snapshot of snapshots) {
    throwIfAborted(options.signal, 'listing the backups')
    if (!isBackup(snapshot, filter)) continue
    try {
      const backup = await readBackup(session, snapshot, options)
      if (filter.beganSince !== undefined && Date.parse(backup.beganAt) < Date.parse(filter.beganSince)) continue
      // A run that was committed twice, by two who resumed it at once, is one backup.
      if (!seen.has(JSON.stringify([backup.job, backup.id]))) backups.push(backup)
      seen.add(JSON.stringify([backup.job, backup.id]))
    } catch (error) {
      if (!isDamage(error) && !(BackupError.is(error) && error.code === 'UNSUPPORTED')) throw error
      tellProblem(error, options)
    }
  }
  backups.sort((left, right) => compare(left.beganAt, right.beganAt) || compare(left.id, right.id))
  yield* backups
}

/** The manifest in a snapshot, from the cache where it was read before. */
export async function readBackup(session: ResticSession, { id, record }: FoundSnapshot, options: OperationOptions): Promise<Backup> {
  const cache = await session.cache(options)
  const cached = await cache.read(id)
  const text = cached ?? (await readManifest(session, { id, record }, options))
  const manifest = parseManifest(text, objectKey('snapshots', id))
  if (manifest.id !== tagValue(record.tags, 'id') || manifest.job !== tagValue(record.tags, 'job'))
    throw damaged(objectKey('snapshots', id), `it is tagged as ${tagValue(record.tags, 'id')} and holds the manifest of ${manifest.id}`)
  if (cached === undefined) await cache.write(id, text)
  return withSnapshot(manifest, id)
}

/** What the manifest inside of the snapshot cannot say of itself. */
export function withSnapshot(manifest: Backup, snapshot: StorageId): Backup {
  return { ...manifest, storage: { ...manifest.storage, snapshot } }
}

async function readManifest(session: ResticSession, { id, record }: FoundSnapshot, options: OperationOptions): Promise<string> {
  const node = await findNode(session, record.tree, [manifestName], options)
  if (node === undefined) throw damaged(objectKey('snapshots', id), `it is tagged as a backup and has no ${manifestName}`)
  return readWholeFile(session, node, objectKey('snapshots', id), options)
}

/** The snapshot of a listed backup, as it is now: the very one that was listed, where there are several. `undefined` when it is gone. */
export async function snapshotOf(session: ResticSession, backup: Backup, options: OperationOptions): Promise<FoundSnapshot | undefined> {
  const { snapshots } = await findSnapshots(session, options)
  const found = snapshots.filter((snapshot) => isBackup(snapshot, { id: backup.id, job: backup.job }))
  return found.find(({ id }) => id === backup.storage.snapshot) ?? found[0]
}

export function tellProblem(error: BackupError, options: OperationOptions): void {
  const { code, message, hint } = error
  options.onProgress?.({
    type: 'problem',
    problem: { severity: 'error', code, message, hint: hint ?? 'Run verify to see which backups are hit.' },
  })
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
