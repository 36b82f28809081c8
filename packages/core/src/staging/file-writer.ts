import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { abortable } from '../uploaders/checked-content.ts'
import { diskError } from './disk-errors.ts'

/** Small chunks are gathered up to this size, so that a row at a time does not cost a system call at a time. */
const gatherBytes = 256 * 1024

export interface WrittenFile {
  readonly size: number
  /** Lower-case hex. */
  readonly sha256: string
  readonly modifiedMilliseconds: number
}

/**
 * Writes a new file (0600, never through a link, never over an existing one) and hashes it in the same pass.
 * Removes it again when the content throws, the disk is full or the signal is aborted.
 *
 * @param before called with the size of each chunk before it is taken; may wait or refuse
 */
export async function writeNewFile(
  file: string,
  content: AsyncIterable<Uint8Array>,
  options: { readonly signal?: AbortSignal | undefined; readonly before?: (bytes: number) => Promise<void>; readonly durable?: boolean },
): Promise<WrittenFile> {
  let handle: FileHandle
  try {
    handle = await open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0), 0o600)
  } catch (error) {
    throw diskError(error, 'create', file)
  }
  try {
    const hash = createHash('sha256')
    const gathered = Buffer.allocUnsafe(gatherBytes)
    let filled = 0
    let size = 0
    const flush = async () => {
      if (filled > 0) await writeAll(handle, gathered.subarray(0, filled))
      filled = 0
    }
    for await (const chunk of abortable(content, `writing ${file}`, { signal: options.signal })) {
      if (chunk.byteLength === 0) continue
      await options.before?.(chunk.byteLength)
      hash.update(chunk)
      size += chunk.byteLength
      if (filled + chunk.byteLength > gatherBytes) await flush()
      if (chunk.byteLength >= gatherBytes) await writeAll(handle, chunk)
      else {
        gathered.set(chunk, filled)
        filled += chunk.byteLength
      }
    }
    await flush()
    if (options.durable === true) await handle.sync()
    const { mtimeMs } = await handle.stat()
    await handle.close()
    return { size, sha256: hash.digest('hex'), modifiedMilliseconds: mtimeMs }
  } catch (error) {
    await handle.close().catch(() => undefined)
    await rm(file, { force: true })
    throw diskError(error, 'write', file)
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.byteLength; ) {
    written += (await handle.write(bytes, written, bytes.byteLength - written)).bytesWritten
  }
}
