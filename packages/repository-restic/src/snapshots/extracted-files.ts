import { constants, fchmodSync, futimesSync } from 'node:fs'
import { type FileHandle, lutimes, mkdir, open, readdir, realpath, symlink, unlink, utimes } from 'node:fs/promises'
import { BackupError, type FailureCode } from '@backup-planet/core'
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

/**
 * A new file that only we can read until it is whole and gets its mode; removed again where it does not become whole. Throws
 * `ALREADY_EXISTS` where anything has this name, a link as well.
 */
export async function writeFileOnce(path: Buffer, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, facts: EntryFacts) {
  let file: FileHandle
  try {
    file = await open(path, 'wx', 0o600)
  } catch (error) {
    throw extractionError(error, path)
  }
  try {
    for await (const bytes of content) await file.writeFile(bytes)
    await setFacts(file, facts)
    await file.close()
  } catch (error) {
    await file.close().catch(() => undefined)
    await unlink(path).catch(() => undefined)
    throw extractionError(error, path)
  }
}

/** For after everything in it: writing into a folder changes its time, and its mode may forbid it. */
export async function finishFolder(path: Buffer, facts: EntryFacts): Promise<void> {
  try {
    // Windows opens no folders.
    if (process.platform === 'win32') return await setTimes((at) => utimes(path, at, at), facts)
    const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
    try {
      await setFacts(folder, facts)
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

/**
 * Permission bits only: set-user-id means something else on a file of another owner. Not by way of the thread pool, since both only
 * change an inode in memory, and handing them over takes much longer than that.
 */
async function setFacts({ fd }: FileHandle, facts: EntryFacts): Promise<void> {
  fchmodSync(fd, facts.mode & 0o777)
  await setTimes((at) => futimesSync(fd, at, at), facts)
}

async function setTimes(set: (at: number | Date) => Promise<void> | void, { modifiedAt }: EntryFacts): Promise<void> {
  const at = fileTime(modifiedAt)
  if (at !== undefined) await set(at)
}

/** Error names of the operating system, as in errno(3), and what an operator can do about them. */
const failures: Readonly<Record<string, { readonly code: FailureCode; readonly reason: string; readonly hint: string }>> = {
  ...sameFailure(['ENOSPC', 'EDQUOT'], {
    code: 'OUT_OF_SPACE',
    reason: 'no space is left on its disk',
    hint: 'Free disk space there, choose a directory on a larger disk, or extract fewer paths.',
  }),
  ...sameFailure(['EACCES', 'EPERM', 'EROFS'], {
    code: 'ACCESS_DENIED',
    reason: 'the operating system does not allow it',
    hint: 'Choose a directory in which you may create files.',
  }),
  ...sameFailure(['EEXIST'], {
    code: 'ALREADY_EXISTS',
    reason: 'it exists already',
    hint: 'Extract into an empty directory on a disk that tells upper from lower case.',
  }),
  ...sameFailure(['ENAMETOOLONG', 'EILSEQ', 'EINVAL'], {
    code: 'UNSUPPORTED',
    reason: 'this system has no such names',
    hint: 'Extract it where such names are possible, or only some of the paths.',
  }),
}

function sameFailure<Failure>(names: readonly string[], failure: Failure): Record<string, Failure> {
  return Object.fromEntries(names.map((name) => [name, failure]))
}

function extractionError(error: unknown, path: Buffer | string): unknown {
  if (BackupError.is(error) || !(error instanceof Error)) return error
  const failure = failures[(error as NodeJS.ErrnoException).code ?? '']
  if (failure === undefined) return error
  const { code, reason, hint } = failure
  return new BackupError(`${path.toString()} cannot be written: ${reason}`, { code, hint, cause: error })
}
