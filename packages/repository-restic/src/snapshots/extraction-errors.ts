import { BackupError, type FailureCode } from '@backup-planet/core'
import { damaged, isDamage } from '../restic-errors.ts'
import type { FailedWrite } from '../workers/target-writing.ts'

/** Error names of the operating system, as in errno(3), and what an operator can do about them. */
const failures: Readonly<Record<string, { readonly code: FailureCode; readonly reason: string; readonly hint: string }>> = {
  ...sameFailure(['ENOSPC', 'EDQUOT'], {
    code: 'OUT_OF_SPACE',
    reason: 'no space is left on its disk',
    hint: 'Free disk space there, choose a directory on a larger disk, or extract fewer paths.',
  }),
  ...sameFailure(['EACCES', 'EPERM', 'EROFS'], {
    code: 'ACCESS_DENIED',
    reason: 'the operating system does not allow it',
    hint: 'Choose a directory in which you may create files.',
  }),
  ...sameFailure(['EEXIST'], {
    code: 'ALREADY_EXISTS',
    reason: 'it exists already',
    hint: 'Extract into an empty directory on a disk that tells upper from lower case.',
  }),
  ...sameFailure(['ENAMETOOLONG', 'EILSEQ', 'EINVAL'], {
    code: 'UNSUPPORTED',
    reason: 'this system has no such names',
    hint: 'Extract it where such names are possible, or only some of the paths.',
  }),
  ...sameFailure(['EFBIG'], {
    code: 'UNSUPPORTED',
    reason: 'its disk can hold no file of this size',
    hint: 'Choose a directory on another file system (FAT32 holds files below 4 GiB), or look at the file size limit of the user (ulimit -f).',
  }),
  ...sameFailure(['EMFILE', 'ENFILE'], {
    code: 'OVERLOADED',
    reason: 'too many files are open',
    hint: 'Let this user open more files (ulimit -n), at least 1024.',
  }),
  ...sameFailure(['ENOENT', 'ENOTDIR', 'ELOOP'], {
    code: 'CONFLICT',
    reason: 'its folder was changed meanwhile',
    hint: 'See that nobody else writes into the directory, and extract into a new one.',
  }),
}

function sameFailure<Failure>(names: readonly string[], failure: Failure): Record<string, Failure> {
  return Object.fromEntries(names.map((name) => [name, failure]))
}

const unknownFailure = {
  code: 'UNKNOWN',
  hint: 'Look at the disk of the directory and at the kernel log, and extract to another disk where they report damage.',
} as const

/** What the operating system says of an entry that is to be written, for the operator; other errors as they are. */
export function extractionError(error: unknown, path: Buffer | string): unknown {
  if (BackupError.is(error) || !(error instanceof Error)) return error
  const { code: errno } = error as NodeJS.ErrnoException
  if (errno === undefined || !/^E[A-Z0-9]+$/.test(errno)) return error
  const { code, reason, hint } = failures[errno] ?? { ...unknownFailure, reason: error.message }
  return new BackupError(`${JSON.stringify(path.toString())} cannot be written: ${reason}`, { code, hint, cause: error })
}

/** The same of what a worker thread could not write. */
export function failedWriteError({ code, message }: FailedWrite, path: Buffer): unknown {
  return extractionError(Object.assign(new Error(message), code === undefined ? {} : { code }), path)
}

/** Damage in a pack, told with the file that it hits. */
export function ofFile(error: unknown, shown: string): unknown {
  return isDamage(error) ? damaged(`file ${JSON.stringify(shown)}`, error.message, error) : error
}
