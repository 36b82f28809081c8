import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises'
import path from 'node:path'
import { BackupError, type ByteRange, clampRange } from '@backup-planet/core'

const readBytes = 256 * 1024

/** Content that can be read from any place. */
export interface RandomAccess {
  readonly size: number
  read(range: ByteRange): AsyncIterable<Uint8Array>
}

/** Content on the disk, for formats that cannot be read from the front to the end. Disposing it frees the disk. */
export interface SpooledContent extends RandomAccess, AsyncDisposable {}

/**
 * Writes content into a file that only this process can open. Throws `OUT_OF_SPACE` when the directory has no room for it.
 *
 * @param directory absolute path of a directory that is there
 */
export async function spool(content: AsyncIterable<Uint8Array>, directory: string, what: string): Promise<SpooledContent> {
  const folder = await mkdtemp(path.join(directory, 'backup-planet-')).catch((error: unknown) => {
    throw spoolError(error, directory, what)
  })
  let handle: FileHandle | undefined
  const remove = async () => {
    await handle?.close()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  try {
    handle = await open(path.join(folder, 'object'), 'wx+', 0o600).catch((error: unknown) => {
      throw spoolError(error, directory, what)
    })
    // Where an open file can be removed, nothing stays behind even when this process is killed.
    if (process.platform !== 'win32') await rm(folder, { recursive: true, force: true })
    let size = 0
    for await (const chunk of content) {
      await writeWhole(handle, chunk).catch((error: unknown) => {
        throw spoolError(error, directory, what)
      })
      size += chunk.byteLength
    }
    const file = handle
    return { size, read: (range) => readRange(file, size, range, what), [Symbol.asyncDispose]: remove }
  } catch (error) {
    await remove()
    throw error
  }
}

async function writeWhole(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let offset = 0; offset < chunk.byteLength; ) offset += (await handle.write(chunk, offset)).bytesWritten
}

async function* readRange(handle: FileHandle, size: number, range: ByteRange, what: string): AsyncIterable<Uint8Array> {
  let { begin, end } = clampRange(range, size)
  while (begin < end) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(Math.min(readBytes, end - begin)), 0, undefined, begin)
    if (bytesRead === 0) throw new TypeError(`the local copy of ${what} ends after ${begin} of ${size} bytes`)
    yield buffer.subarray(0, bytesRead)
    begin += bytesRead
  }
}

function spoolError(error: unknown, directory: string, what: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  if (code === undefined || !/^E[A-Z]+$/.test(code)) return error
  const full = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG'
  return new BackupError(`${what} could not be kept in ${directory} for reading it (${code})`, {
    code: full ? 'OUT_OF_SPACE' : code === 'ENOENT' || code === 'ENOTDIR' ? 'NOT_FOUND' : 'ACCESS_DENIED',
    hint: 'A zip that is encrypted, or lies where ranges cannot be read, is read from a local copy: set temporaryDirectory of this repository to a directory with room for the largest archive.',
    cause: error,
  })
}
