import type { FailureCode } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'

/** Error names of the operating system, as in errno(3). */
const codes: Readonly<Record<string, FailureCode>> = {
  ENOSPC: 'OUT_OF_SPACE',
  EDQUOT: 'OUT_OF_SPACE',
  EACCES: 'ACCESS_DENIED',
  EPERM: 'ACCESS_DENIED',
  EROFS: 'ACCESS_DENIED',
  ELOOP: 'ACCESS_DENIED',
  ENOENT: 'NOT_FOUND',
  EIO: 'CORRUPTED',
  EBADMSG: 'CORRUPTED',
  EUCLEAN: 'CORRUPTED',
  ENOTDIR: 'CONFLICT',
  EISDIR: 'CONFLICT',
  ENOTEMPTY: 'CONFLICT',
  EEXIST: 'CONFLICT',
  EBUSY: 'CONFLICT',
  ETXTBSY: 'CONFLICT',
  ENAMETOOLONG: 'INVALID_INPUT',
  EILSEQ: 'INVALID_INPUT',
  EFBIG: 'UNSUPPORTED',
  ENOTSUP: 'UNSUPPORTED',
  ETIMEDOUT: 'TIMED_OUT',
  ENODEV: 'UNREACHABLE',
  ENXIO: 'UNREACHABLE',
  ESTALE: 'UNREACHABLE',
  EHOSTDOWN: 'UNREACHABLE',
  EHOSTUNREACH: 'UNREACHABLE',
  ENETUNREACH: 'UNREACHABLE',
  ENOTCONN: 'UNREACHABLE',
  EMFILE: 'OVERLOADED',
  ENFILE: 'OVERLOADED',
  EAGAIN: 'OVERLOADED',
}

function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const { code } = error as { code?: unknown }
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined
}

/** Whether the operating system failed with one of these. */
export function isErrno(error: unknown, ...names: readonly string[]): boolean {
  const name = errnoOf(error)
  return name !== undefined && names.includes(name)
}

/** Names the failure behind an error of `node:fs`. */
export function classifyFileError(error: unknown): FailureCode {
  if (BackupError.is(error)) return error.code
  if (error instanceof Error && error.name === 'AbortError') return 'ABORTED'
  return codes[errnoOf(error) ?? ''] ?? 'UNKNOWN'
}

/**
 * The error to throw for what `node:fs` threw; BackupErrors and mistakes of the programmer pass as they are. EIO is worth another
 * attempt: a network share says it while its server is away, a loose cable until it holds again.
 */
export function fileError(error: unknown, what: string, directory: string): unknown {
  const name = errnoOf(error)
  if (BackupError.is(error) || name === undefined) return error
  return new BackupError(`${what} failed with ${name} in ${directory}`, {
    code: classifyFileError(error),
    retryable: name === 'EIO' ? true : undefined,
    hint: hintFor(name, directory),
    cause: error,
  })
}

function hintFor(name: string, directory: string): string {
  switch (name) {
    case 'ENOSPC':
      return `The disk that holds ${directory} is full: free space on it or use a larger one, then run again; nothing was left half-written.`
    case 'EDQUOT':
      return `The disk quota in ${directory} is used up: raise it or free space, then run again; nothing was left half-written.`
    case 'EACCES':
    case 'EPERM':
      return `Let the user that runs backups read and write ${directory} and everything below it, which it must own.`
    case 'EROFS':
      return `The file system of ${directory} is mounted read-only: mount it writable, and look at the kernel log for why it is not.`
    case 'ELOOP':
      return `Remove the symbolic link: objects are kept in plain files and folders below ${directory}.`
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO':
      return `Check that ${directory} exists and that the disk it is on is mounted.`
    case 'EIO':
    case 'EBADMSG':
    case 'EUCLEAN':
      return `The disk that holds ${directory} reports damage: look at its cable or the connection to its server, the kernel log and its SMART values, and back up to another disk until it is replaced.`
    case 'ENOTDIR':
    case 'EISDIR':
    case 'ENOTEMPTY':
    case 'EEXIST':
      return 'A key cannot be an object and a folder of other objects at once in a directory: remove one of them or use another prefix.'
    case 'EBUSY':
    case 'ETXTBSY':
      return 'Another program keeps this file open: close it (or exclude the directory from the virus scanner) and run again.'
    case 'ENAMETOOLONG':
    case 'EILSEQ':
      return `The file system of ${directory} cannot hold this name: use shorter names or a file system that can.`
    case 'EFBIG':
      return `The file system of ${directory} cannot hold a file of this size: use one that can, not FAT32.`
    default:
      return `Check the disk that holds ${directory} and, where it is a network share, the connection to its server; then run again.`
  }
}
