import { randomBytes } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BackupError } from '@backup-planet/core'

/** Writes a file that only its owner may read, all at once: whoever looks finds the old one or the new one. Throws `ACCESS_DENIED`, `NOT_FOUND` or `OUT_OF_SPACE`. */
export async function writePrivateFile(path: string, content: string): Promise<void> {
  const part = join(dirname(path), `.${basename(path).slice(0, 100)}.${randomBytes(6).toString('hex')}.part`)
  try {
    await using file = await open(part, 'wx', 0o600)
    await file.writeFile(content)
    await file.sync()
  } catch (error) {
    await rm(part, { force: true })
    throw notWritten(path, error)
  }
  try {
    await rename(part, path)
  } catch (error) {
    await rm(part, { force: true })
    throw notWritten(path, error)
  }
}

function notWritten(path: string, error: unknown): BackupError {
  const { code } = error as NodeJS.ErrnoException
  const [failure, hint] =
    code === 'ENOENT'
      ? (['NOT_FOUND', 'Make the folder it is to lie in, or name another file.'] as const)
      : code === 'ENOSPC' || code === 'EDQUOT'
        ? (['OUT_OF_SPACE', 'Free space on its disk and start again.'] as const)
        : (['ACCESS_DENIED', 'Name a file in a folder that you may write.'] as const)
  return new BackupError(`the file ${path} cannot be written (${code ?? 'unknown reason'})`, { code: failure, hint, cause: error })
}
