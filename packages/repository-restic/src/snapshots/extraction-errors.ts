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
}

function sameFailure<Failure>(names: readonly string[], failure: Failure): Record<string, Failure> {
  return Object.fromEntries(names.map((name) => [name, failure]))
}

/** What the operating system says of an entry that is to be written, for the operator; other errors as they are. */
export function extractionError(error: unknown, path: Buffer | string): unknown {
  if (BackupError.is(error) || !(error instanceof Error)) return error
  const failure = failures[(error as NodeJS.ErrnoException).code ?? '']
  if (failure === undefined) return error
  const { code, reason, hint } = failure
  return new BackupError(`${path.toString()} cannot be written: ${reason}`, { code, hint, cause: error })
}

/** The same of what a worker thread could not write. */
export function failedWriteError({ code, message }: FailedWrite, path: Buffer): unknown {
  return extractionError(Object.assign(new Error(message), code === undefined ? {} : { code }), path)
}

/** Damage in a pack, told with the file that it hits. */
export function ofFile(error: unknown, shown: string): unknown {
  return isDamage(error) ? damaged(`file ${JSON.stringify(shown)}`, error.message, error) : error
}
