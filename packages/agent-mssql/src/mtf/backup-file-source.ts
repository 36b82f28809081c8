import { type FileHandle, open } from 'node:fs/promises'
import { abortError, BackupError, type ByteRange, type OperationOptions, throwIfAborted } from '@backup-planet/core'

/** A backup file that can be read from any place: on a disk, in a stage, in a repository. */
export interface BackupFileSource {
  /** In bytes. */
  readonly size: number
  /** Exactly `length` bytes from `offset`, which lie within `size`; the caller may keep them. */
  read(offset: number, length: number, options?: OperationOptions): Promise<Uint8Array>
}

export interface LocalBackupFile extends BackupFileSource, AsyncDisposable {}

/** Opens a file of this machine for reading. Throws `NOT_FOUND`, `ACCESS_DENIED`, or `INVALID_INPUT` for what is no file. */
export async function openBackupFile(path: string, { signal }: OperationOptions = {}): Promise<LocalBackupFile> {
  throwIfAborted(signal, `opening ${path}`)
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw openError(path, error)
  })
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) {
      throw new BackupError(`${path} is no file`, { code: 'INVALID_INPUT', hint: 'Name a .bak or .trn file, not a directory or a device.' })
    }
    return localFile(path, handle, stat.size)
  } catch (error) {
    await handle.close()
    throw error
  }
}

function localFile(path: string, handle: FileHandle, size: number): LocalBackupFile {
  return {
    size,
    async read(offset, length, { signal } = {}) {
      throwIfAborted(signal, `reading ${path}`)
      const bytes = Buffer.alloc(length)
      let filled = 0
      while (filled < length) {
        const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled)
        if (bytesRead === 0) throw endedEarly(path, offset, length, filled)
        filled += bytesRead
      }
      return bytes
    },
    [Symbol.asyncDispose]: () => handle.close(),
  }
}

/**
 * A source of what gives ranges, as staged files and the files of a repository do.
 *
 * @param name for messages
 * @param size in bytes, of the whole file
 */
export function rangedBackupFile(
  name: string,
  size: number,
  openRange: (range: ByteRange, options: OperationOptions) => AsyncIterable<Uint8Array>,
): BackupFileSource {
  return {
    size,
    async read(offset, length, options = {}) {
      throwIfAborted(options.signal, `reading ${name}`)
      const bytes = Buffer.alloc(length)
      let filled = 0
      for await (const chunk of openRange({ begin: offset, end: offset + length }, options)) {
        if (options.signal?.aborted) throw abortError(options.signal, `reading ${name}`)
        if (chunk.length > length - filled) {
          throw new BackupError(`${name} gave more than the ${length} bytes from offset ${offset} that were asked for`, {
            code: 'CORRUPTED',
            hint: 'Check the store or repository that the file is read from.',
          })
        }
        bytes.set(chunk, filled)
        filled += chunk.length
      }
      if (filled < length) throw endedEarly(name, offset, length, filled)
      return bytes
    },
  }
}

function endedEarly(name: string, offset: number, length: number, filled: number): BackupError {
  return new BackupError(`${name} ended after ${filled} of ${length} bytes from offset ${offset}`, {
    code: 'CORRUPTED',
    hint: 'See that nobody writes to or shortens the file while it is read, and try again.',
  })
}

function openError(path: string, cause: unknown): unknown {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new BackupError(`there is no file ${path}`, { code: 'NOT_FOUND', hint: 'Check the path of the file.', cause })
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new BackupError(`${path} may not be read`, {
      code: 'ACCESS_DENIED',
      hint: 'Let the account of this process read the file: SQL Server gives its backups to its own account only.',
      cause,
    })
  }
  return cause
}
