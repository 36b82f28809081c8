import { close, open } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { promisify } from 'node:util'
import { pathBytes, setFileFacts } from '../workers/target-writing.ts'
import type { PlannedFile } from './planned-content.ts'

const openDescriptor = promisify(open)
const closeDescriptor = promisify(close)

interface Unfinished {
  readonly descriptor: Promise<number>
  /** Blobs that are not written yet. */
  left: number
}

/** Files of several blobs, which are written in any order and by several threads. Each is open from its first blob to its last. */
export class UnfinishedFiles {
  readonly #files = new Map<PlannedFile, Unfinished>()

  /**
   * The descriptor of a file, which is created with the first call: only we can read it until it is whole. Throws the error of the
   * operating system: `EEXIST` where anything has this name, a link as well.
   */
  descriptorOf(file: PlannedFile): Promise<number> {
    const known = this.#files.get(file)
    if (known !== undefined) return known.descriptor
    const descriptor = openDescriptor(pathBytes(file), 'wx', 0o600)
    descriptor.catch(() => undefined)
    this.#files.set(file, { descriptor, left: file.blobs.length })
    return descriptor
  }

  /** One more blob of it is written. With the last one it gets its mode and time and is closed, and the result is true. */
  async wrote(file: PlannedFile): Promise<boolean> {
    const unfinished = this.#files.get(file)
    if (unfinished === undefined) throw new TypeError(`${file.shown()} is not being written`)
    if (--unfinished.left > 0) return false
    this.#files.delete(file)
    const descriptor = await unfinished.descriptor
    let failure: { readonly error: unknown } | undefined
    try {
      setFileFacts(descriptor, file.facts)
    } catch (error) {
      failure = { error }
    }
    await closeDescriptor(descriptor).catch((error: unknown) => {
      failure ??= { error }
    })
    if (failure === undefined) return true
    await unlink(pathBytes(file)).catch(() => undefined)
    throw failure.error
  }

  /** Throws where a file is not whole. */
  assertNone(): void {
    for (const [file, { left }] of this.#files) throw new TypeError(`${file.shown()} lacks ${left} of its blobs`)
  }

  /** Closes and removes what did not become whole. No thread may still write: the next file that is opened has the same descriptor. */
  async removeAll(): Promise<void> {
    for (const [file, { descriptor: opening }] of this.#files) {
      const descriptor = await opening.catch(() => undefined)
      if (descriptor === undefined) continue
      await closeDescriptor(descriptor).catch(() => undefined)
      await unlink(pathBytes(file)).catch(() => undefined)
    }
    this.#files.clear()
  }
}
