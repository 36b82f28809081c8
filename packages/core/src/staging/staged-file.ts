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
  await using file = await openUnchanged(facts)
  if (!whole && file.modifiedMilliseconds !== facts.modifiedMilliseconds) throw changed(facts, 'it was written to')
  const hash = whole ? createHash('sha256') : undefined
  for (let position = begin; position < end; ) {
    const buffer = Buffer.allocUnsafe(Math.min(readBytes, end - position))
    const chunk = buffer.subarray(0, await file.read(buffer, position))
    hash?.update(chunk)
    position += chunk.byteLength
    yield chunk
  }
  if (hash !== undefined && hash.digest('hex') !== facts.sha256) throw changed(facts, 'its SHA-256 differs')
}

/** The same for a caller who has memory of its own, and compares the SHA-256 itself. */
export async function* readUnchangedInto(facts: LocalFileFacts, room: () => Promise<Uint8Array>): AsyncGenerator<number, void, void> {
  await using file = await openUnchanged(facts)
  for (let position = 0; position < facts.size; ) {
    const place = await room()
    if (place.byteLength === 0) throw new TypeError('there must be room for one byte at least')
    const bytesRead = await file.read(place.subarray(0, facts.size - position), position)
    position += bytesRead
    yield bytesRead
  }
}

interface OpenedFile extends AsyncDisposable {
  readonly modifiedMilliseconds: number
  /** Fills as much as there is in one read; at least one byte. */
  read(place: Uint8Array, position: number): Promise<number>
}

async function openUnchanged(facts: LocalFileFacts): Promise<OpenedFile> {
  const handle = await open(facts.path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)).catch((error: unknown) => {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ELOOP'
      ? changed(facts, 'it is gone', error)
      : diskError(error, 'read', facts.path)
  })
  try {
    const { size, mtimeMs } = await handle.stat()
    if (size !== facts.size) throw changed(facts, `it has ${size} bytes instead of ${facts.size}`)
    return {
      modifiedMilliseconds: mtimeMs,
      async read(place, position) {
        const { bytesRead } = await handle.read(place, 0, place.byteLength, position).catch((error: unknown) => {
          throw diskError(error, 'read', facts.path)
        })
        if (bytesRead === 0) throw changed(facts, `it ends after ${position} bytes`)
        return bytesRead
      },
      [Symbol.asyncDispose]: () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

function changed(facts: LocalFileFacts, what: string, cause?: unknown): BackupError {
  return new BackupError(`${facts.path} has changed since it was written: ${what}`, {
    code: 'CORRUPTED',
    hint: 'Keep every other program away from this directory, check its disk, and try again.',
    cause,
  })
}
