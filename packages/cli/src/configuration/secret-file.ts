import { randomBytes } from 'node:crypto'
import { chown, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { BackupError } from '@backup-planet/core'

/** The next content of a secret file, on the disk and not yet in its place. Disposed before, it never was. */
export interface NextSecretFile extends AsyncDisposable {
  /** All at once: whoever reads the file finds the old secret or the new one. */
  putInPlace(): Promise<void>
}

/** Writes the next content of a secret file beside it, with its rights. Throws `ACCESS_DENIED` or `OUT_OF_SPACE`, and has changed nothing. */
export async function prepareSecretFile(path: string, secret: string): Promise<NextSecretFile> {
  let temporary: string | undefined
  try {
    // What a link points to is replaced, not the link.
    const real = await realpath(path)
    const { mode, uid, gid } = await stat(real)
    const next = join(dirname(real), `.${basename(real)}.${randomBytes(6).toString('hex')}`)
    temporary = next
    await using file = await open(next, 'wx', mode & 0o600)
    await file.writeFile(`${secret}\n`)
    // Owned by whoever reads it; who may not give files away owns it already.
    if (process.getuid?.() === 0) await chown(next, uid, gid)
    await file.chmod(mode & 0o777)
    await file.sync()
    return {
      async putInPlace() {
        await rename(next, real).catch((error: unknown) => Promise.reject(notWritten(path, error)))
        await syncFolder(dirname(real))
      },
      [Symbol.asyncDispose]: () => rm(next, { force: true }),
    }
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { force: true })
    throw notWritten(path, error)
  }
}

/** So that a power cut does not bring the old file back; where folders cannot be synced the file system has to do. */
async function syncFolder(path: string): Promise<void> {
  try {
    await using folder = await open(path, 'r')
    await folder.sync()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EIO' || code === 'ENOSPC') throw notWritten(path, error)
  }
}

function notWritten(path: string, error: unknown): BackupError {
  const { code } = error as NodeJS.ErrnoException
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  return new BackupError(`the secret file ${path} cannot be replaced (${code ?? 'unknown reason'})`, {
    code: full ? 'OUT_OF_SPACE' : 'ACCESS_DENIED',
    hint: full ? 'Free space on its disk and start again.' : 'Start again as a user that may write the file and the folder it lies in.',
    cause: error,
  })
}
