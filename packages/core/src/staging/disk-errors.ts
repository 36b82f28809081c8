import { statfs } from 'node:fs/promises'
import { BackupError } from '../errors/backup-error.ts'
import { describeBytes } from '../sizes/describe-bytes.ts'
import type { NamedSettings } from './setting-names.ts'

/** An error of the file system as one that an operator can act on; a BackupError and whatever is no such error pass unchanged. */
export function diskError(error: unknown, action: string, place: string): unknown {
  if (BackupError.is(error) || !(error instanceof Error)) return error
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new BackupError(`no space left on the disk to ${action} ${place}`, {
        code: 'OUT_OF_SPACE',
        hint: 'Free disk space there, or choose a directory on a larger disk.',
        cause: error,
      })
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new BackupError(`the operating system does not allow to ${action} ${place}`, {
        code: 'ACCESS_DENIED',
        hint: 'Let the user that runs the backup own this directory, on a file system that is mounted for writing.',
        cause: error,
      })
    default:
      return error
  }
}

/** Bytes that an ordinary user can still write below `directory`. */
export async function freeBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

/** Watches that a disk keeps a reserve. Asks the system again only after so many bytes, since asking costs. */
export class FreeSpaceGuard {
  readonly #directory: string
  readonly #minimum: number
  readonly #ask: (directory: string) => Promise<number>
  readonly #names: NamedSettings
  #unchecked = Number.POSITIVE_INFINITY

  constructor(directory: string, minimum: number, ask: (directory: string) => Promise<number>, names: NamedSettings) {
    this.#directory = directory
    this.#minimum = minimum
    this.#ask = ask
    this.#names = names
  }

  /** Throws `OUT_OF_SPACE` when writing `bytes` more would leave less than the reserve. */
  async require(bytes: number, force = false): Promise<void> {
    this.#unchecked += bytes
    if (!force && this.#unchecked < 16 * 1024 * 1024) return
    this.#unchecked = 0
    const free = await this.#ask(this.#directory)
    if (free - bytes >= this.#minimum) return
    const { directory, minimumFree } = this.#names
    const reserve = `${describeBytes(this.#minimum)} must stay free`
    throw new BackupError(
      bytes === 0
        ? `the disk of ${this.#directory} has ${describeBytes(free)} free, and ${reserve}`
        : `the disk of ${this.#directory} has ${describeBytes(free)} free: there is no room for ${describeBytes(bytes)} more, because ${reserve}`,
      { code: 'OUT_OF_SPACE', hint: `Free disk space there, set ${directory} to a folder on a larger disk, or lower ${minimumFree}.` },
    )
  }
}
