import type { Uploader } from '@backup-planet/core'
import { tagValue } from '../backups/backup-tree.ts'
import { findSnapshots } from '../backups/snapshot-catalog.ts'
import type { BlobType } from '../format/pack-header.ts'
import type { StorageId } from '../format/storage-id.ts'
import { readTree } from '../read/tree-walk.ts'
import { objectKey } from '../repository-objects.ts'
import { ResticSession } from '../restic-session.ts'
import { resolveResticSettings } from '../restic-settings.ts'
import { password } from './small-repository.ts'

export interface NeededBlob {
  /** Of the pack. */
  readonly key: string
  /** First byte in the pack, and the first one behind. */
  readonly begin: number
  readonly end: number
  /** Ids of the backups that cannot be restored without it. */
  readonly backups: ReadonlySet<string>
}

/** Every blob that a snapshot leads to, by a walk of its own. */
export async function neededBlobs(uploader: Uploader): Promise<NeededBlob[]> {
  const session = new ResticSession(uploader, resolveResticSettings({ password, cacheDirectory: false }))
  const found = new Map<string, { readonly key: string; readonly begin: number; readonly end: number; readonly backups: Set<string> }>()
  const need = async (type: BlobType, id: StorageId, backup: string): Promise<void> => {
    const { pack, offset, length } = await session.locate(type, id, {})
    const key = objectKey('data', pack)
    const place = `${key}/${offset}`
    const blob = found.get(place) ?? { key, begin: offset, end: offset + length, backups: new Set() }
    blob.backups.add(backup)
    found.set(place, blob)
  }
  const visit = async (tree: StorageId, backup: string): Promise<void> => {
    await need('tree', tree, backup)
    for (const { content, subtree } of await readTree(session, tree, {})) {
      for (const id of content) await need('data', id, backup)
      if (subtree !== undefined) await visit(subtree, backup)
    }
  }
  for (const { record } of (await findSnapshots(session, {})).snapshots) await visit(record.tree, tagValue(record.tags, 'id') ?? '')
  return [...found.values()]
}
