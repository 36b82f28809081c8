import { statfs } from 'node:fs/promises'
import type { FailureCode } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { describeBytes } from '../sizes/describe-bytes.ts'
import type { NamedSettings } from './setting-names.ts'

interface DiskFailure {
  readonly code: FailureCode
  message(action: string, place: string): string
  readonly hint: string
}

const full: DiskFailure = {
  code: 'OUT_OF_SPACE',
  message: (action, place) => `no space left on the disk to ${action} ${place}`,
  hint: 'Free disk space there, or choose a directory on a larger disk.',
}
const denied: DiskFailure = {
  code: 'ACCESS_DENIED',
  message: (action, place) => `the operating system does not allow to ${action} ${place}`,
  hint: 'Let the user that runs the backup own this directory, on a file system that is mounted for writing.',
}
const inTheWay: DiskFailure = {
  code: 'CONFLICT',
  message: (action, place) => `something else is in the way to ${action} ${place}`,
  hint: 'Choose another directory, or remove the file that lies there or on the way to it.',
}
const damaged: DiskFailure = {
  code: 'CORRUPTED',
  message: (action, place) => `the disk failed to ${action} ${place}`,
  hint: 'Look at the kernel log and the SMART values of this disk, and choose a directory on another one until it is replaced.',
}
const tooMany: DiskFailure = {
  code: 'OVERLOADED',
  message: (action, place) => `too many files are open to ${action} ${place}`,
  hint: 'Try again later, or raise the limit of open files (ulimit -n).',
}

/** Error names of the operating system, as in errno(3). */
const failures: Readonly<Record<string, DiskFailure>> = {
  ENOSPC: full,
  EDQUOT: full,
  EACCES: denied,
  EPERM: denied,
  EROFS: denied,
  ENOTDIR: inTheWay,
  EEXIST: inTheWay,
  EIO: damaged,
  EMFILE: tooMany,
  ENFILE: tooMany,
}

/** An error of the file system as one that an operator can act on; a BackupError and whatever is no such error pass unchanged. */
export function diskError(error: unknown, action: string, place: string): unknown {
  if (BackupError.is(error) || !(error instanceof Error)) return error
  const failure = failures[(error as NodeJS.ErrnoException).code ?? '']
  if (failure === undefined) return error
  return new BackupError(failure.message(action, place), { code: failure.code, hint: failure.hint, cause: error })
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
