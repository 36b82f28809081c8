import { BackupError, type FailureCode } from '@backup-planet/core'

interface PlaceFailure {
  readonly code: FailureCode
  readonly reason: string
  readonly hint: string
}

const denied: PlaceFailure = {
  code: 'ACCESS_DENIED',
  reason: 'the operating system does not allow it',
  hint: 'Run the restore as a user that may, such as root, on a file system that is mounted for writing.',
}
const full: PlaceFailure = {
  code: 'OUT_OF_SPACE',
  reason: 'no space is left',
  hint: 'Free disk space there, or give a place on another disk with the option datadir.',
}
const mounted: PlaceFailure = {
  code: 'UNSUPPORTED',
  reason: 'it is mounted, or lies on another file system',
  hint: 'Give a directory inside of what is mounted with the option datadir, and set datadir in the configuration of the server.',
}
const inTheWay: PlaceFailure = {
  code: 'CONFLICT',
  reason: 'something else is there',
  hint: 'Look at what lies there, rename or remove it, and plan anew.',
}

/** Names of errno(3). */
const failures: Readonly<Record<string, PlaceFailure>> = {
  EACCES: denied,
  EPERM: denied,
  EROFS: denied,
  ENOSPC: full,
  EDQUOT: full,
  EBUSY: mounted,
  EXDEV: mounted,
  EEXIST: inTheWay,
  ENOTEMPTY: inTheWay,
  ENOTDIR: inTheWay,
}

/** What the file system has refused at the place of a data directory, as an error that an operator can act on; every other error passes unchanged. */
export function placeError(error: unknown, action: string, path: string): unknown {
  if (BackupError.is(error) || !(error instanceof Error)) return error
  const { code = '' } = error as NodeJS.ErrnoException
  const failure = failures[code]
  if (failure === undefined) return error
  return new BackupError(`cannot ${action} ${path}: ${failure.reason} (${code})`, { code: failure.code, hint: failure.hint, cause: error })
}

/** Does something with a path, and throws what the file system refuses as {@link placeError} says it. */
export async function atPlace<Result>(action: string, path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw placeError(error, action, path)
  }
}
