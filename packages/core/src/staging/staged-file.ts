import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { ByteRange, StagedFileFacts } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { diskError } from './disk-errors.ts'

const readBytes = 256 * 1024

export interface LocalFileFacts extends StagedFileFacts {
  readonly path: string
  readonly modifiedMilliseconds: number
}

/** One complete file of a stage. */
export class LocalFile {
  readonly facts: LocalFileFacts
  #state: 'staged' | 'offered' | 'gone' = 'staged'

  constructor(facts: LocalFileFacts) {
    this.facts = facts
  }

  get gone(): boolean {
    return this.#state === 'gone'
  }

  get offered(): boolean {
    return this.#state === 'offered'
  }

  /** The drainer gets it now; false when there is nothing to get any more. */
  offer(): boolean {
    if (this.#state === 'gone') return false
    this.#state = 'offered'
    return true
  }

  /** True for the one caller that has to remove it from the disk. */
  claimRemoval(): boolean {
    if (this.#state === 'gone') return false
    this.#state = 'gone'
    return true
  }
}

/**
 * Reads a file that must still be what it was when it was staged: the length at once, the SHA-256 at the end of a
 * whole read, the time of its last change for a range. Throws `CORRUPTED` otherwise.
 */
export async function* readUnchanged(facts: LocalFileFacts, range?: ByteRange): AsyncGenerator<Uint8Array, void, void> {
  const begin = range?.begin ?? 0
  const end = Math.min(range?.end ?? facts.size, facts.size)
  const whole = begin === 0 && end === facts.size
  const handle = await open(facts.path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)).catch((error: unknown) => {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ELOOP'
      ? changed(facts, 'it is gone', error)
      : diskError(error, 'read', facts.path)
  })
  try {
    const { size, mtimeMs } = await handle.stat()
    if (size !== facts.size) throw changed(facts, `it has ${size} bytes instead of ${facts.size}`)
    if (!whole && mtimeMs !== facts.modifiedMilliseconds) throw changed(facts, 'it was written to')
    const hash = whole ? createHash('sha256') : undefined
    for (let position = begin; position < end; ) {
      const buffer = Buffer.allocUnsafe(Math.min(readBytes, end - position))
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, position).catch((error: unknown) => {
        throw diskError(error, 'read', facts.path)
      })
      if (bytesRead === 0) throw changed(facts, `it ends after ${position} bytes`)
      const chunk = buffer.subarray(0, bytesRead)
      hash?.update(chunk)
      position += bytesRead
      yield chunk
    }
    if (hash !== undefined && hash.digest('hex') !== facts.sha256) throw changed(facts, 'its SHA-256 differs')
  } finally {
    await handle.close()
  }
}

function changed(facts: LocalFileFacts, what: string, cause?: unknown): BackupError {
  return new BackupError(`${facts.path} has changed since it was written: ${what}`, {
    code: 'CORRUPTED',
    hint: 'Keep every other program away from this directory, check its disk, and try again.',
    cause,
  })
}
