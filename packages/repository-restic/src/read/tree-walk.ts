import type { OperationOptions } from '@backup-planet/core'
import type { StorageId } from '../format/storage-id.ts'
import { decodeTree, deepestTree, type TreeNode } from '../format/tree-blob.ts'
import { hostile } from '../restic-errors.ts'
import type { ResticSession } from '../restic-session.ts'
import { readBlob } from './blob-reader.ts'

export interface WalkedNode {
  /** Names of the folders above, and its own. */
  readonly path: readonly Buffer[]
  readonly node: TreeNode
}

export async function readTree(session: ResticSession, id: StorageId, options: OperationOptions): Promise<TreeNode[]> {
  const plaintext = await readBlob(session, 'tree', id, options)
  try {
    return decodeTree(plaintext)
  } catch (error) {
    throw hostile(`tree ${id.slice(0, 16)}`, (error as Error).message)
  }
}

/** The entry at a path below a tree; `undefined` when there is none. */
export async function findNode(
  session: ResticSession,
  tree: StorageId,
  path: readonly string[],
  options: OperationOptions,
): Promise<TreeNode | undefined> {
  let below: StorageId | undefined = tree
  let found: TreeNode | undefined
  for (const name of path) {
    if (below === undefined) return undefined
    const bytes = Buffer.from(name, 'utf8')
    found = (await readTree(session, below, options)).find((node) => node.name.equals(bytes))
    below = found?.subtree
  }
  return found
}

/** Folders of one folder whose trees are read at once: in a far store each takes as long as a large pack. */
const treesAhead = 8

/**
 * Every entry below a tree, folders before what is in them, and nothing of folders that are not entered. Throws `CORRUPTED` for a
 * tree that contains itself or has no end.
 */
export function walkTree(
  session: ResticSession,
  tree: StorageId,
  options: OperationOptions,
  enters: (path: readonly Buffer[]) => boolean = () => true,
): AsyncGenerator<WalkedNode, void> {
  const read = (id: StorageId): Promise<TreeNode[]> => {
    const nodes = readTree(session, id, options)
    // Who comes to this folder hears of it.
    nodes.catch(() => undefined)
    return nodes
  }

  async function* walk(
    id: StorageId,
    reading: Promise<TreeNode[]>,
    above: readonly Buffer[],
    trees: readonly StorageId[],
  ): AsyncGenerator<WalkedNode, void> {
    assertEnds(id, trees)
    const entries = (await reading).map((node): WalkedNode => ({ path: [...above, node.name], node }))
    const folders = entries.flatMap(({ path, node: { subtree } }) => (subtree !== undefined && enters(path) ? [{ path, subtree }] : []))
    const ahead: Promise<TreeNode[]>[] = []
    let entered = 0
    try {
      for (const entry of entries) {
        const folder = folders[entered]
        for (let next = entered + ahead.length; ahead.length < treesAhead && next < folders.length; next++)
          ahead.push(read(folders[next]?.subtree ?? ''))
        yield entry
        if (folder?.path !== entry.path) continue
        const nodes = ahead.shift()
        entered++
        if (nodes !== undefined) yield* walk(folder.subtree, nodes, entry.path, [...trees, id])
      }
    } finally {
      await Promise.allSettled(ahead)
    }
  }

  return walk(tree, read(tree), [], [])
}

export function assertEnds(tree: StorageId, above: readonly StorageId[]): void {
  if (above.includes(tree)) throw hostile(`tree ${tree.slice(0, 16)}`, 'it contains itself')
  if (above.length >= deepestTree) throw hostile(`tree ${tree.slice(0, 16)}`, `it lies more than ${deepestTree} folders deep`)
}
