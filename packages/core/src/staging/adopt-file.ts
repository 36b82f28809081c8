import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import type { WrittenFile } from './file-writer.ts'
import { assertPlainFile } from './stage-paths.ts'

/**
 * Measures and hashes a file that an application has written. Refuses links and everything that is no regular file
 * (`INVALID_INPUT`), and a file that is still being written (`INCONSISTENT`).
 *
 * @param before called with the size before the file is read; may wait or refuse
 */
export async function adoptFile(
  directory: string,
  file: string,
  options: { readonly signal?: AbortSignal | undefined; readonly before: (bytes: number) => Promise<void> },
): Promise<WrittenFile> {
  await assertPlainFile(directory, file)
  const handle = await open(file, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
  try {
    const before = await handle.stat()
    await options.before(before.size)
    const hash = createHash('sha256')
    const buffer = Buffer.allocUnsafe(1024 * 1024)
    let size = 0
    for (;;) {
      throwIfAborted(options.signal, `staging ${file}`)
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, size)
      if (bytesRead === 0) break
      hash.update(buffer.subarray(0, bytesRead))
      size += bytesRead
    }
    const after = await handle.stat()
    if (size !== before.size || after.size !== before.size || after.mtimeMs !== before.mtimeMs) {
      throw new BackupError(`${file} was changed while it was read: ${before.size} bytes before, ${after.size} after`, {
        code: 'INCONSISTENT',
        hint: 'The application has not finished this file; see that it has ended before the file is taken over.',
      })
    }
    return { size, sha256: hash.digest('hex'), modifiedMilliseconds: after.mtimeMs }
  } finally {
    await handle.close()
  }
}
