import type { StorageId } from '../format/storage-id.ts'
import { encodeTree, type WrittenNode } from '../format/tree-blob.ts'

/** A file as it will be in a snapshot. */
export interface TreeFile {
  readonly path: readonly string[]
  readonly file: { readonly size: number; readonly content: readonly StorageId[] }
}

/** Of a file, no more than what is there anyhow: a backup can have a million of them. */
interface Folder {
  readonly folders: Map<string, Folder>
  readonly files: Map<string, TreeFile['file']>
}

/**
 * Stores the trees of these files and folders, the innermost first, and gives the id of the outermost. `modifiedAt` is that of
 * everything in them.
 */
export async function saveTrees(
  {
    files,
    folders,
    modifiedAt,
  }: { readonly files: Iterable<TreeFile>; readonly folders: readonly (readonly string[])[]; readonly modifiedAt: string },
  save: (tree: Buffer) => Promise<StorageId>,
): Promise<StorageId> {
  const root = newFolder()
  for (const path of folders) folderAt(root, path)
  for (const { path, file } of files) {
    const name = path.at(-1) ?? ''
    const folder = folderAt(root, path.slice(0, -1))
    if (folder.files.has(name) || folder.folders.has(name)) throw new TypeError(`two files of a backup are called ${path.join('/')}`)
    folder.files.set(name, file)
  }
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const saveFolder = async ({ folders: below, files: inside }: Folder): Promise<StorageId> => {
    const nodes: WrittenNode[] = []
    for (const [name, folder] of below) nodes.push({ type: 'dir', name, modifiedAt, subtree: await saveFolder(folder) })
    for (const [name, { size, content }] of inside) nodes.push({ type: 'file', name, modifiedAt, size, content })
    return save(encodeTree(nodes, owner))
  }
  return saveFolder(root)
}

function newFolder(): Folder {
  return { folders: new Map(), files: new Map() }
}

function folderAt(root: Folder, path: readonly string[]): Folder {
  let folder = root
  for (const name of path) {
    let next = folder.folders.get(name)
    if (next === undefined) {
      if (folder.files.has(name)) throw new TypeError(`${path.join('/')} is a file and a folder`)
      next = newFolder()
      folder.folders.set(name, next)
    }
    folder = next
  }
  return folder
}
