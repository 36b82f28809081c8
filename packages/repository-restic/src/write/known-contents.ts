import { type Backup, BackupError, type OperationOptions } from '@backup-planet/core'
import { itemPath } from '../backups/backup-tree.ts'
import { findSnapshots, isBackup, readBackup } from '../backups/snapshot-catalog.ts'
import type { BlobIndex } from '../blob-index/blob-index.ts'
import type { StorageId } from '../format/storage-id.ts'
import type { TreeNode } from '../format/tree-blob.ts'
import { plainLength } from '../read/blob-reader.ts'
import { readTree } from '../read/tree-walk.ts'
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
  readonly #session: ResticSession
  readonly #index: BlobIndex
  readonly #tree: StorageId | undefined
  readonly #backup: Backup | undefined
  readonly #options: OperationOptions
  readonly #files = new Map<string, readonly [string, string]>()
  readonly #folders = new Map<StorageId, Promise<ReadonlyMap<string, TreeNode>>>()

  private constructor(
    session: ResticSession,
    index: BlobIndex,
    newest: { readonly tree: StorageId; readonly backup: Backup } | undefined,
    options: OperationOptions,
  ) {
    this.#session = session
    this.#index = index
    this.#tree = newest?.tree
    this.#backup = newest?.backup
    this.#options = options
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
    const content = await this.#contentAt(this.#tree, [...itemPath(this.#backup, item), ...name.split('/')])
    return content !== undefined && this.#bytesOf(content) === size ? content : undefined
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

  async #contentAt(tree: StorageId, path: readonly string[]): Promise<readonly StorageId[] | undefined> {
    let below: StorageId | undefined = tree
    let node: TreeNode | undefined
    for (const name of path) {
      node = below === undefined ? undefined : (await this.#folder(below)).get(name)
      below = node?.subtree
    }
    return node?.content
  }

  #folder(tree: StorageId): Promise<ReadonlyMap<string, TreeNode>> {
    const known =
      this.#folders.get(tree) ??
      readTree(this.#session, tree, this.#options).then(
        (nodes) => new Map(nodes.map((node) => [node.name.toString('utf8'), node])),
        (error: unknown) => {
          if (!isDamage(error)) throw error
          return new Map<string, TreeNode>()
        },
      )
    this.#folders.set(tree, known)
    return known
  }
}
