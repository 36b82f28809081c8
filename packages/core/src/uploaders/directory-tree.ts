import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, opendir, realpath, rename, rmdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { syncFolder } from '../disk/sync-folder.ts'
import { BackupError } from '../errors/backup-error.ts'
import { isErrno } from './directory-errors.ts'

const windows = process.platform === 'win32'

/** Of a file that is being written; invisible as an object. */
const partName = /^\..*\.[0-9a-f]{16}\.part$/s

export function isPartName(name: string): boolean {
  return partName.test(name)
}

/** A name beside `name` that no object can have and that fits where `name` fits. */
function newPartName(name: string): string {
  const shortened = Buffer.from(name, 'utf8')
    .subarray(0, 200)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')
  return `.${shortened}.${randomBytes(8).toString('hex')}.part`
}

/** Creates and opens a new part beside where `name` will be; creates the folders on the way, again where they are pruned meanwhile. */
export async function openPart(root: string, folders: readonly string[], name: string): Promise<{ path: string; handle: FileHandle }> {
  const folder = join(root, ...folders)
  for (let attempt = 1; ; attempt++) {
    try {
      await makeFolders(root, folders)
      await assertNoLink(folder)
      const path = join(folder, newPartName(name))
      return {
        path,
        handle: await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0), 0o600),
      }
    } catch (error) {
      if (!isErrno(error, 'ENOENT') || attempt >= 100) throw error
    }
  }
}

async function makeFolders(root: string, folders: readonly string[]): Promise<void> {
  let current = root
  for (const folder of folders) {
    current = join(current, folder)
    try {
      await mkdir(current, { mode: 0o700 })
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
      const found = await lstat(current)
      if (found.isSymbolicLink()) throw linkInTheWay(current)
      if (!found.isDirectory()) {
        throw new BackupError(`folder ${current} cannot be created: an object has this name`, {
          code: 'CONFLICT',
          hint: 'A key cannot be an object and a folder of other objects at once in a directory: remove one of them or use another prefix.',
        })
      }
    }
  }
}

/** Throws when anything on the way to `folder` is a symbolic link; `folder` is below a root that is itself resolved. */
export async function assertNoLink(folder: string): Promise<void> {
  if ((await realpath(folder)) !== folder) throw linkInTheWay(folder)
}

function linkInTheWay(path: string): BackupError {
  return new BackupError(`${path} is or leads through a symbolic link, or is spelt differently on disk`, {
    code: 'ACCESS_DENIED',
    hint: 'Remove the symbolic link: objects are kept in plain files and folders, and links are never followed out of the directory.',
  })
}

/** Makes the entries of `folder` and of every folder above it, up to and with `root`, survive a loss of power. */
export async function syncFolders(root: string, folder: string): Promise<void> {
  for (let current = folder; ; current = dirname(current)) {
    await syncFolder(current).catch((error: unknown) => {
      // Pruned meanwhile: then there is nothing left in it to keep.
      if (!isErrno(error, 'ENOENT')) throw error
    })
    if (current === root || current.length <= root.length) return
  }
}

/** Puts a finished part in its place, over what is there. */
export async function renameOver(part: string, path: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await rename(part, path)
      return
    } catch (error) {
      if (attempt === 1 && isErrno(error, 'EISDIR', 'ENOTEMPTY', 'EEXIST')) {
        // An empty folder that a crash left is in the way; one with anything in it stays.
        await rmdir(path)
        continue
      }
      // Windows refuses while anybody, such as a virus scanner, has the old file open.
      if (!windows || attempt >= 40 || !isErrno(error, 'EPERM', 'EACCES', 'EBUSY')) throw error
      await wait(50)
    }
  }
}

/** Removes `folder` and those above it, below `root`, as long as they are empty. Returns the deepest folder that is left. */
export async function pruneFolders(root: string, folder: string): Promise<string> {
  let current = folder
  for (; current !== root && current.length > root.length; current = dirname(current)) {
    try {
      await rmdir(current)
    } catch (error) {
      if (isErrno(error, 'ENOENT')) continue
      return current
    }
  }
  return root
}

/** Removes parts whose last write is longer ago than `olderThanSeconds`, anywhere below `root`. Returns how many. */
export async function removeParts(root: string, olderThanSeconds: number): Promise<number> {
  let removed = 0
  for await (const { path, name, isFolder } of entriesOf(root)) {
    if (isFolder) {
      const below = await removeParts(path, olderThanSeconds)
      if (below > 0) await pruneFolders(root, path)
      removed += below
    } else if (isPartName(name)) {
      try {
        const { mtimeMs } = await lstat(path)
        if (Date.now() - mtimeMs < olderThanSeconds * 1000) continue
        await unlink(path)
        removed++
      } catch (error) {
        if (!isErrno(error, 'ENOENT')) throw error
      }
    }
  }
  return removed
}

/** Files and folders directly in `folder`, without links and other things; empty when it is gone. */
export async function* entriesOf(folder: string): AsyncGenerator<{ path: string; name: string; isFolder: boolean }, void> {
  try {
    for await (const entry of await opendir(folder, { bufferSize: 256 })) {
      if (entry.isDirectory() || entry.isFile()) yield { path: join(folder, entry.name), name: entry.name, isFolder: entry.isDirectory() }
    }
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
  }
}
