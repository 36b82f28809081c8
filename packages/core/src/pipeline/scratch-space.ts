import { mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { OperationOptions } from '../contracts/index.ts'
import { abortError, throwIfAborted } from '../errors/backup-error.ts'
import { isAbandoned } from '../staging/abandoned-place.ts'
import { diskError, FreeSpaceGuard, freeBytes } from '../staging/disk-errors.ts'
import { currentOwner, ownedName, ownerInName } from '../staging/process-owner.ts'
import { minimumFreeByDefault, namedSettings, type StagingSettingNames } from '../staging/setting-names.ts'

const prefix = 'restore'

export interface ScratchSettings {
  /** Created with mode 0700 where it does not exist. */
  readonly directory: string
  /** Bytes that files waiting to be restored may take together; a larger file is let through alone. */
  readonly budgetBytes: number
  /** Always left free on the disk; 512 MiB when left out. */
  readonly minimumFreeBytes?: number | undefined
  readonly freeBytes?: ((directory: string) => Promise<number>) | undefined
  readonly settingNames?: StagingSettingNames | undefined
}

/** A private folder for one restore, and the room in it. Disposing removes everything. */
export class ScratchSpace implements AsyncDisposable {
  readonly folder: string
  readonly #budget: number
  readonly #space: FreeSpaceGuard
  #used = 0
  #waiting: { readonly bytes: number; readonly resolve: () => void }[] = []

  private constructor(folder: string, budget: number, space: FreeSpaceGuard) {
    this.folder = folder
    this.#budget = budget
    this.#space = space
  }

  /** Removes first what restores of killed processes have left in the directory. */
  static async create(settings: ScratchSettings): Promise<ScratchSpace> {
    const directory = path.resolve(settings.directory)
    const folder = path.join(directory, ownedName(prefix, await currentOwner()))
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      for (const name of await readdir(directory)) {
        const owner = ownerInName(prefix, name)
        const left = path.join(directory, name)
        if (owner !== undefined && (await isAbandoned(left, owner))) await rm(left, { recursive: true, force: true, maxRetries: 3 })
      }
      await mkdir(folder, { mode: 0o700 })
    } catch (error) {
      throw diskError(error, 'write', directory)
    }
    const guard = new FreeSpaceGuard(
      directory,
      settings.minimumFreeBytes ?? minimumFreeByDefault,
      settings.freeBytes ?? freeBytes,
      namedSettings(settings.settingNames),
    )
    return new ScratchSpace(folder, settings.budgetBytes, guard)
  }

  /** Bytes that are taken. */
  get used(): number {
    return this.#used
  }

  /** Waits until there is room, in the order of the calls. Throws `OUT_OF_SPACE` when the disk itself has none. */
  async take(bytes: number, options: OperationOptions = {}): Promise<void> {
    const { signal } = options
    throwIfAborted(signal, 'the restore')
    if (this.#waiting.length > 0 || !this.#fits(bytes)) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const waiter = { bytes, resolve }
      this.#waiting.push(waiter)
      const onAbort = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter)
        this.#settle()
        reject(abortError(signal as AbortSignal, 'the restore'))
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      await promise.finally(() => signal?.removeEventListener('abort', onAbort))
    } else this.#used += bytes
    try {
      await this.#space.require(bytes, true)
    } catch (error) {
      this.give(bytes)
      throw error
    }
  }

  give(bytes: number): void {
    this.#used -= bytes
    this.#settle()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#budget
  }

  #settle(): void {
    for (let first = this.#waiting[0]; first !== undefined && this.#fits(first.bytes); first = this.#waiting[0]) {
      this.#waiting.shift()
      this.#used += first.bytes
      first.resolve()
    }
  }
}
