import { BackupError, type Finding, type OperationOptions, throwIfAborted, type VerifyRequest } from '@backup-planet/core'
import { itemPath, tagValue } from '../backups/backup-tree.ts'
import { type FoundSnapshot, findSnapshots, isBackup, readBackup } from '../backups/snapshot-catalog.ts'
import type { StorageId } from '../format/storage-id.ts'
import { addUnindexedPacks, loadIndex } from '../repository-index.ts'
import { listKeys } from '../repository-keys.ts'
import { listObjects, objectKey } from '../repository-objects.ts'
import { damaged, isDamage } from '../restic-errors.ts'
import type { ResticSession } from '../restic-session.ts'
import { BlobDamage } from './blob-damage.ts'
import { checkPacks } from './pack-check.ts'
import { SnapshotCheck } from './snapshot-check.ts'

export interface ResticVerifyRequest extends VerifyRequest {
  /** With `readData`: only one part of this many of the packs, counted from 1, so that a week of runs reads everything once. */
  readonly subset?: { readonly part: number; readonly of: number }
}

/**
 * Everything that is wrong, named by the object it lies in, and then every backup: whole, or hit, with the files that are. Without
 * `readData` every tree is read and every blob must lie in a pack that is there; with it every byte is read and checked.
 * Changes nothing and takes no lock: a backup that is removed meanwhile is passed over.
 */
export async function* verifyRepository(
  session: ResticSession,
  request: ResticVerifyRequest,
  options: OperationOptions,
): AsyncGenerator<Finding, void> {
  throwIfAborted(options.signal, 'verifying')
  assertSubset(request)
  session.forgetEverything()
  const repository = await session.open(options)
  if (repository.configFailure !== undefined) yield errorOf(repository.configFailure, 'config')
  for (const failure of (await listKeys(repository, options)).damaged) yield errorOf(failure)

  // Snapshots before the index: what is written meanwhile is complete once its snapshot is there.
  const { snapshots, failures } = await findSnapshots(session, options)
  for (const failure of failures) yield errorOf(failure)
  const { blobs: index, files, failures: indexFailures } = await loadIndex(repository, options)
  for (const failure of indexFailures) yield errorOf(failure)
  const sizes = new Map<StorageId, number>()
  for await (const { id, size } of listObjects(session.uploader, 'data', options)) sizes.set(id, size)
  for (const pack of index.packs())
    if (!sizes.has(pack)) yield errorOf(damaged(objectKey('data', pack), 'the index names it, and it is missing'))
  const { packs: unindexed, failures: headerFailures } = await addUnindexedPacks(repository, index, options)
  for (const failure of headerFailures) yield errorOf(failure)
  session.useIndex({ blobs: index, files, failures: indexFailures })

  const filtered = request.id !== undefined || request.job !== undefined
  const chosen = snapshots.filter((snapshot) => !filtered || isBackup(snapshot, filterOf(request)))
  const damage = new BlobDamage(index, sizes, new Set(unindexed))
  const check = new SnapshotCheck(session, damage, options)
  if (request.readData === true) {
    const wanted = filtered ? await check.packsOf(chosen.map(({ record }) => record.tree)) : undefined
    yield* checkPacks({ session, repository, index, sizes, damage, wanted, subset: request.subset }, options)
  }
  for (const snapshot of chosen) {
    throwIfAborted(options.signal, 'verifying')
    yield* verifySnapshot(session, check, snapshot, request, options)
  }
  if (indexFailures.length === 0) for (const pack of damage.neededUnindexed) yield lostFromIndex(pack)
}

/** Its blobs were found by its header: nothing of the backups is hit, and restic finds it only once it is in an index again. */
function lostFromIndex(pack: StorageId): Finding {
  const key = objectKey('data', pack)
  return {
    severity: 'error',
    key,
    code: 'NOT_FOUND',
    message: `${key}: backups need it and it is in no index: an index file was lost`,
    hint: 'The backups restore as they are. The next run writes it into an index again, and so does: backup-planet rebuild-index.',
  }
}

async function* verifySnapshot(
  session: ResticSession,
  check: SnapshotCheck,
  snapshot: FoundSnapshot,
  request: ResticVerifyRequest,
  options: OperationOptions,
): AsyncGenerator<Finding, void> {
  const key = objectKey('snapshots', snapshot.id)
  const ours = isBackup(snapshot)
  const backup = ours ? tagValue(snapshot.record.tags, 'id') : undefined
  const name = backup === undefined ? `snapshot ${snapshot.id.slice(0, 8)}, which restic made,` : `backup ${backup}`
  const about = backup === undefined ? { key } : { backup }
  const problems = await check.problemsOf(snapshot.record.tree)
  for (const { path, reason } of problems) {
    const message = `${name} is damaged: ${path}: ${reason}`
    yield { severity: 'error', ...about, key, code: 'CORRUPTED', message, hint: hitHint }
  }
  if (ours) {
    try {
      const manifest = await readBackup(session, snapshot, options)
      for (const { item, files = [] } of manifest.items) {
        for (const file of files) {
          const found = await check.sizeAt(snapshot.record.tree, [...itemPath(manifest, item), ...file.name.split('/')])
          if (found === file.size || problems.length > 0) continue
          const message = `${name} is damaged: ${file.name} of ${item} ${found === undefined ? 'is not in its tree' : `has ${found} instead of ${file.size} bytes`}`
          yield { severity: 'error', ...about, key, code: 'CORRUPTED', message, hint: hitHint }
          return
        }
      }
    } catch (error) {
      if (!isDamage(error)) throw error
      yield { ...errorOf(error, key), ...about }
      return
    }
  }
  if (problems.length > 0) return
  const depth =
    request.readData !== true
      ? 'every blob is in its place'
      : request.subset === undefined
        ? 'every byte is as it was stored'
        : 'no byte that was read is damaged'
  yield { severity: 'ok', ...about, message: `${name}: ${depth}` }
}

const hitHint =
  'Restore from another backup, or put an undamaged copy of the object in its place. Where there is none, remove the damaged pack and run backup-planet rebuild-index: the next full backup then stores again what it held.'

function filterOf({ id, job }: VerifyRequest): { id?: string; job?: string } {
  return { ...(id === undefined ? {} : { id }), ...(job === undefined ? {} : { job }) }
}

function errorOf(error: BackupError, key?: string): Finding {
  const named = key ?? /^((?:config|keys|index|snapshots|locks|data)[^:\s]*):/.exec(error.message)?.[1]
  return {
    severity: 'error',
    ...(named === undefined ? {} : { key: named }),
    code: error.code,
    message: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  }
}

function assertSubset({ subset, readData }: ResticVerifyRequest): void {
  if (subset === undefined) return
  const { part, of } = subset
  if (readData === true && Number.isInteger(part) && Number.isInteger(of) && part >= 1 && part <= of) return
  throw new BackupError(`part ${part} of ${of} of the data cannot be read`, {
    code: 'INVALID_INPUT',
    hint: 'Give a part between 1 and the number of parts, together with readData.',
  })
}
