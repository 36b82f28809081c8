import { BackupError } from '../errors/backup-error.ts'

const brand = Symbol.for('@backup-planet/lease-conflict')

/**
 * What is thrown while somebody else holds the lease of a job: the one failure for which a schedule waits, and which it does not count.
 *
 * @param who printable, such as `process 7 on host db2`
 */
export function leaseConflict(job: string, who: string): BackupError {
  const error = new BackupError(`job "${job}" is being worked on by ${who}`, {
    code: 'CONFLICT',
    retryable: true,
    hint: 'Wait until that process has ended. A lease that it left behind is taken over after some minutes.',
  })
  return Object.assign(error, { [brand]: true })
}

/** Recognises those of another installed copy of this package too. */
export function isLeaseConflict(error: unknown): error is BackupError {
  return BackupError.is(error) && (error as { readonly [brand]?: unknown })[brand] === true
}
