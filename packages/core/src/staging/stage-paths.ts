import { lstat, mkdir } from 'node:fs/promises'
import path from 'node:path'
import { BackupError } from '../errors/backup-error.ts'
import { encodeSegment } from '../naming/path-segment.ts'
import { assertSafePath } from '../naming/safe-path.ts'

/** Absolute path of a file of an item; throws `INVALID_INPUT` for a name that could leave the item's folder. */
export function itemFilePath(directory: string, item: string, name: string): string {
  return path.join(directory, encodeSegment(item), ...assertSafePath(name, 'file name').split('/'))
}

/** Creates (0700) the folders between `directory` and `file`; throws `INVALID_INPUT` where one of them is a link. */
export async function createParents(directory: string, file: string): Promise<void> {
  for (const folder of parentsBetween(directory, file)) {
    await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    })
    if (!(await lstat(folder)).isDirectory()) throw notPlain(folder, 'folder')
  }
}

/** Throws `INVALID_INPUT` unless `file` is a regular file below `directory` that no link leads to, `NOT_FOUND` when there is none. */
export async function assertPlainFile(directory: string, file: string): Promise<void> {
  try {
    for (const folder of parentsBetween(directory, file)) if (!(await lstat(folder)).isDirectory()) throw notPlain(folder, 'folder')
    if (!(await lstat(file)).isFile()) throw notPlain(file, 'regular file')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new BackupError(`there is no file ${file}`, {
      code: 'NOT_FOUND',
      hint: 'The application did not write this file; look for its own error message.',
      cause: error,
    })
  }
}

function parentsBetween(directory: string, file: string): string[] {
  const parents: string[] = []
  for (let folder = path.dirname(file); folder !== directory && folder.length > directory.length; folder = path.dirname(folder)) {
    parents.unshift(folder)
  }
  return parents
}

function notPlain(place: string, wanted: string): BackupError {
  return new BackupError(`${place} is not a ${wanted}`, {
    code: 'INVALID_INPUT',
    hint: `Make the application write a ${wanted} there; links are not followed.`,
  })
}
