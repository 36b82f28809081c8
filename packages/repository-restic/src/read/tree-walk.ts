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

/** Every entry below a tree, folders before what is in them, and nothing of folders that are not entered. Throws `CORRUPTED` for a tree that contains itself or has no end. */
export async function* walkTree(
  session: ResticSession,
  tree: StorageId,
  options: OperationOptions,
  enters: (path: readonly Buffer[]) => boolean = () => true,
  above: readonly Buffer[] = [],
  trees: readonly StorageId[] = [],
): AsyncGenerator<WalkedNode, void> {
  assertEnds(tree, trees)
  for (const node of await readTree(session, tree, options)) {
    const path = [...above, node.name]
    yield { path, node }
    if (node.subtree !== undefined && enters(path)) yield* walkTree(session, node.subtree, options, enters, path, [...trees, tree])
  }
}

export function assertEnds(tree: StorageId, above: readonly StorageId[]): void {
  if (above.includes(tree)) throw hostile(`tree ${tree.slice(0, 16)}`, 'it contains itself')
  if (above.length >= deepestTree) throw hostile(`tree ${tree.slice(0, 16)}`, `it lies more than ${deepestTree} folders deep`)
}
