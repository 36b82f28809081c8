import { constants } from 'node:fs'
import { lutimes, mkdir, open, readdir, realpath, symlink, utimes } from 'node:fs/promises'
import { BackupError } from '@backup-planet/core'
import { type FileFacts, setFileFacts } from '../workers/target-writing.ts'
import { extractionError } from './extraction-errors.ts'
import { fileTime } from './file-time.ts'

/** What an entry has beside its content. */
export interface EntryFacts {
  /** POSIX permission bits; others are not set. */
  readonly mode: number
  readonly modifiedAt: string | undefined
}

/**
 * The real path of an empty directory, which is created (0700) where there is none. Throws `ALREADY_EXISTS` when something is in it,
 * and `CONFLICT` when it is none.
 */
export async function emptyDirectory(directory: string): Promise<string> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const real = await realpath(directory)
    if ((await readdir(real)).length === 0) return real
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EEXIST' && code !== 'ENOTDIR') throw extractionError(error, directory)
    throw new BackupError(`${directory} is no directory`, { code: 'CONFLICT', hint: 'Choose another directory.', cause: error })
  }
  throw new BackupError(`${directory} is not empty`, {
    code: 'ALREADY_EXISTS',
    hint: 'Choose a new or empty directory; nothing is replaced.',
  })
}

/** Only we can look into it until {@link finishFolder}. Throws `ALREADY_EXISTS` where anything has this name, a link as well. */
export async function createFolder(path: Buffer): Promise<void> {
  await mkdir(path, { mode: 0o700 }).catch((error: unknown) => Promise.reject(extractionError(error, path)))
}

/** For after everything in it: writing into a folder changes its time, and its mode may forbid it. */
export async function finishFolder(path: Buffer, facts: EntryFacts): Promise<void> {
  try {
    // Windows opens no folders.
    if (process.platform === 'win32') return await setTimes((at) => utimes(path, at, at), facts)
    const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
    try {
      // Not by way of the thread pool: both only change an inode in memory, and handing them over takes much longer than that.
      setFileFacts(folder.fd, fileFacts(facts))
    } finally {
      await folder.close()
    }
  } catch (error) {
    throw extractionError(error, path)
  }
}

/** The target may be anything, and need not be there: nobody looks at it. */
export async function createLink(path: Buffer, target: Buffer, facts: EntryFacts): Promise<void> {
  try {
    await symlink(target, path)
    await setTimes((at) => lutimes(path, at, at), facts)
  } catch (error) {
    throw extractionError(error, path)
  }
}

/** Those of the node of a tree, as the operating system takes them. */
export function fileFacts({ mode, modifiedAt }: EntryFacts): FileFacts {
  return { mode, modifiedAt: fileTime(modifiedAt) }
}

async function setTimes(set: (at: number | Date) => Promise<void>, { modifiedAt }: EntryFacts): Promise<void> {
  const at = fileTime(modifiedAt)
  if (at !== undefined) await set(at)
}
