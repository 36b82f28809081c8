import type { OperationOptions } from '@backup-planet/core'
import type { StorageId } from '../format/storage-id.ts'
import type { TreeNode } from '../format/tree-blob.ts'
import type { ResticSession } from '../restic-session.ts'
import { readTree } from './tree-walk.ts'

/** Files that follow each other in a manifest lie in few folders. */
const mostFolders = 64

/** Finds many entries by their paths: the folders that were needed last are kept, so that each is read once where files come in order. */
export class RecentFolders {
  readonly #session: ResticSession
  readonly #options: OperationOptions
  /** The one that was needed last is the last. */
  readonly #folders = new Map<StorageId, ReadonlyMap<string, TreeNode>>()

  constructor(session: ResticSession, options: OperationOptions) {
    this.#session = session
    this.#options = options
  }

  /** `undefined` where there is no such entry. Throws `CORRUPTED` when a folder on the way is damaged. */
  async nodeAt(tree: StorageId, path: readonly string[]): Promise<TreeNode | undefined> {
    let below: StorageId | undefined = tree
    let node: TreeNode | undefined
    for (const name of path) {
      node = below === undefined ? undefined : (await this.#read(below)).get(name)
      below = node?.subtree
    }
    return node
  }

  async #read(id: StorageId): Promise<ReadonlyMap<string, TreeNode>> {
    const folder = this.#folders.get(id) ?? (await this.#load(id))
    this.#folders.delete(id)
    this.#folders.set(id, folder)
    const [oldest] = this.#folders.keys()
    if (this.#folders.size > mostFolders && oldest !== undefined) this.#folders.delete(oldest)
    return folder
  }

  async #load(id: StorageId): Promise<ReadonlyMap<string, TreeNode>> {
    const nodes = await readTree(this.#session, id, this.#options)
    return new Map(nodes.map((node) => [node.name.toString('utf8'), node]))
  }
}
