import { type OperationOptions, throwIfAborted } from '@backup-planet/core'
import type { StorageId } from '../format/storage-id.ts'
import type { TreeNode } from '../format/tree-blob.ts'
import { RecentFolders } from '../read/recent-folders.ts'
import { assertEnds, readTree } from '../read/tree-walk.ts'
import { isDamage } from '../restic-errors.ts'
import type { ResticSession } from '../restic-session.ts'
import type { BlobDamage } from './blob-damage.ts'

export interface PathProblem {
  /** Below the snapshot. */
  readonly path: string
  readonly reason: string
}

/** More of one snapshot would only be noise. */
const mostProblems = 100

/** Walks the trees of snapshots; a tree that several share is looked at once. */
export class SnapshotCheck {
  readonly #session: ResticSession
  readonly #damage: BlobDamage
  readonly #options: OperationOptions
  readonly #checked = new Map<StorageId, readonly PathProblem[]>()
  readonly #folders: RecentFolders

  constructor(session: ResticSession, damage: BlobDamage, options: OperationOptions) {
    this.#session = session
    this.#damage = damage
    this.#options = options
    this.#folders = new RecentFolders(session, options)
  }

  async problemsOf(tree: StorageId, above: readonly StorageId[] = []): Promise<readonly PathProblem[]> {
    const known = this.#checked.get(tree)
    if (known !== undefined) return known
    throwIfAborted(this.#options.signal, 'verifying')
    const problems = await this.#check(tree, above)
    this.#checked.set(tree, problems.slice(0, mostProblems))
    return problems
  }

  /** The packs that these trees and their files lie in. */
  async packsOf(trees: readonly StorageId[]): Promise<Set<StorageId>> {
    const packs = new Set<StorageId>()
    const seen = new Set<StorageId>()
    const visit = async (tree: StorageId): Promise<void> => {
      if (seen.has(tree)) return
      seen.add(tree)
      throwIfAborted(this.#options.signal, 'verifying')
      const place = this.#damage.placeOf('tree', tree)
      if (place !== undefined) packs.add(place.pack)
      for (const { subtree, content } of await this.#nodes(tree)) {
        for (const id of content) {
          const pack = this.#damage.placeOf('data', id)?.pack
          if (pack !== undefined) packs.add(pack)
        }
        if (subtree !== undefined) await visit(subtree)
      }
    }
    for (const tree of trees) await visit(tree)
    return packs
  }

  /** Bytes of the file at a path; `undefined` when there is none. */
  async sizeAt(tree: StorageId, path: readonly string[]): Promise<number | undefined> {
    const node = await this.#folders.nodeAt(tree, path).catch((error: unknown) => {
      if (!isDamage(error)) throw error
    })
    return node?.type === 'file' ? node.size : undefined
  }

  async #check(tree: StorageId, above: readonly StorageId[]): Promise<PathProblem[]> {
    const damage = this.#damage.reasonOf('tree', tree)
    if (damage !== undefined) return [{ path: '/', reason: damage }]
    let nodes: TreeNode[]
    try {
      assertEnds(tree, above)
      nodes = await readTree(this.#session, tree, this.#options)
    } catch (error) {
      if (!isDamage(error)) throw error
      return [{ path: '/', reason: error.message }]
    }
    const problems: PathProblem[] = []
    for (const node of nodes) {
      if (problems.length >= mostProblems) break
      const path = `/${node.name.toString('utf8')}`
      const reason = node.type === 'file' ? this.#fileProblem(node) : undefined
      if (reason !== undefined) problems.push({ path, reason })
      if (node.subtree === undefined) continue
      for (const below of await this.problemsOf(node.subtree, [...above, tree])) {
        problems.push({ path: below.path === '/' ? path : path + below.path, reason: below.reason })
      }
    }
    return problems
  }

  #fileProblem({ content, size }: TreeNode): string | undefined {
    let bytes = 0
    for (const id of content) {
      const reason = this.#damage.reasonOf('data', id)
      if (reason !== undefined) return reason
      bytes += this.#damage.placeOf('data', id)?.bytes ?? 0
    }
    return bytes === size ? undefined : `its blobs have ${bytes} bytes, and its tree says ${size}`
  }

  /** Nothing where the tree is damaged; its problem is told when it is checked. */
  async #nodes(tree: StorageId): Promise<TreeNode[]> {
    try {
      return await readTree(this.#session, tree, this.#options)
    } catch (error) {
      if (!isDamage(error)) throw error
      return []
    }
  }
}
