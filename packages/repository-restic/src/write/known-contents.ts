import { type Backup, BackupError, type OperationOptions } from '@backup-planet/core'
import { itemPath } from '../backups/backup-tree.ts'
import { findSnapshots, isBackup, readBackup } from '../backups/snapshot-catalog.ts'
import type { BlobIndex } from '../blob-index/blob-index.ts'
import type { StorageId } from '../format/storage-id.ts'
import { plainLength } from '../read/blob-reader.ts'
import { RecentFolders } from '../read/recent-folders.ts'
import { findBlob } from '../repository-index.ts'
import { isDamage } from '../restic-errors.ts'
import type { ResticSession } from '../restic-session.ts'

/** More files of one backup are not remembered: reading them again takes time, remembering them takes memory. */
const mostFiles = 200_000

/**
 * The files of the newest backup of a job, by their SHA-256. One that is staged again with the same size and SHA-256 needs not be read,
 * cut and hashed once more: its blobs are those of then, as long as all of them are still in the index.
 */
export class KnownContents {
  readonly #index: BlobIndex
  readonly #tree: StorageId | undefined
  readonly #backup: Backup | undefined
  readonly #files = new Map<string, readonly [string, string]>()
  readonly #folders: RecentFolders

  private constructor(
    session: ResticSession,
    index: BlobIndex,
    newest: { readonly tree: StorageId; readonly backup: Backup } | undefined,
    options: OperationOptions,
  ) {
    this.#index = index
    this.#tree = newest?.tree
    this.#backup = newest?.backup
    this.#folders = new RecentFolders(session, options)
    for (const { item, files = [], failure } of newest?.backup.items ?? []) {
      if (failure !== undefined) continue
      for (const { name, size, sha256 } of files) if (this.#files.size < mostFiles) this.#files.set(`${sha256}/${size}`, [item, name])
    }
  }

  /** Knows nothing where there is no backup of the job, or the newest one cannot be read. */
  static async ofJob(session: ResticSession, index: BlobIndex, job: string, options: OperationOptions): Promise<KnownContents> {
    const { snapshots } = await findSnapshots(session, options)
    const newest = snapshots.findLast((snapshot) => isBackup(snapshot, { job }))
    try {
      const known = newest === undefined ? undefined : { tree: newest.record.tree, backup: await readBackup(session, newest, options) }
      return new KnownContents(session, index, known, options)
    } catch (error) {
      if (!isDamage(error) && !(BackupError.is(error) && error.code === 'UNSUPPORTED')) throw error
      return new KnownContents(session, index, undefined, options)
    }
  }

  /** The blobs of a file of this size and SHA-256; `undefined` where it must be read. */
  async find({ size, sha256 }: { readonly size: number; readonly sha256: string }): Promise<readonly StorageId[] | undefined> {
    const place = this.#files.get(`${sha256}/${size}`)
    if (place === undefined || this.#backup === undefined || this.#tree === undefined) return undefined
    const [item, name] = place
    const path = [...itemPath(this.#backup, item), ...name.split('/')]
    const node = await this.#folders.nodeAt(this.#tree, path).catch((error: unknown) => {
      if (!isDamage(error)) throw error
    })
    return node !== undefined && this.#bytesOf(node.content) === size ? node.content : undefined
  }

  /** `undefined` when one of the blobs is in no index. */
  #bytesOf(content: readonly StorageId[]): number | undefined {
    let bytes = 0
    for (const id of content) {
      const found = findBlob(this.#index, 'data', id)
      if (found === undefined) return undefined
      bytes += plainLength(found)
    }
    return bytes
  }
}
