import { abortError, type OperationOptions, throwIfAborted } from '@backup-planet/core'
import { type OpenRepository, writableConfig } from '../repository-access.ts'
import { type HeldLock, lockRepository } from '../repository-lock.ts'
import type { ResticSession } from '../restic-session.ts'

export interface MaintenanceWork {
  readonly repository: OpenRepository
  readonly lock: HeldLock
  /** Aborted by the caller, and when the lock is lost. */
  readonly options: OperationOptions
}

/**
 * Does something to a repository that nobody else may work on at the same time; with `exclusive: false`, nobody who does such a thing.
 * Throws `CONFLICT` when it is locked by others or the lock is lost, `UNSUPPORTED` for version 1, and `ABORTED`.
 *
 * @param what for messages: "pruning"
 */
export async function underLock<Result>(
  session: ResticSession,
  { exclusive, what }: { readonly exclusive: boolean; readonly what: string },
  options: OperationOptions,
  work: (parts: MaintenanceWork) => Promise<Result>,
): Promise<Result> {
  throwIfAborted(options.signal, what)
  const repository = await session.open(options)
  writableConfig(repository)
  await using lock = await lockRepository(repository, { exclusive, waitMilliseconds: session.settings.waitForLockMilliseconds }, options)
  const signal = options.signal === undefined ? lock.lost : AbortSignal.any([options.signal, lock.lost])
  try {
    return await work({ repository, lock, options: { ...options, signal } })
  } catch (error) {
    // The caller's abort and a lost lock come before whatever broke because of them.
    if (options.signal?.aborted === true) throw abortError(options.signal, what)
    throw lock.lost.aborted ? lock.lost.reason : error
  } finally {
    session.forgetIndex()
  }
}
