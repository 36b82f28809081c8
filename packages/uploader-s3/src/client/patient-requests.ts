import { setTimeout as waitFor } from 'node:timers/promises'
import { abortError, BackupError, throwIfAborted } from '@backup-planet/core'
import { classifyS3Error, isS3Error, retryAfterOf } from '../s3-errors.ts'

/** How often one request of many is tried in all: an upload of terabytes must not begin anew for one answer of 503. */
const attemptsOfAll = 6
const firstDelayMilliseconds = 200
const longestDelayMilliseconds = 20_000
/** A store that asks for more than this is asked again by whoever tries the whole upload again. */
const longestRetryAfterMilliseconds = 60_000

/** Tries again what may pass by itself, with growing pauses of random length, or as long as the store asks for. */
export async function patiently<Result>(
  act: (attempt: number) => Promise<Result>,
  { signal, attempts = attemptsOfAll }: { readonly signal?: AbortSignal | undefined; readonly attempts?: number } = {},
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    throwIfAborted(signal, 'request')
    try {
      return await act(attempt)
    } catch (error) {
      if (signal?.aborted) throw abortError(signal, 'request')
      if (attempt >= attempts || !mayPass(error)) throw error
      await pauseAfter(error, attempt, signal)
    }
  }
}

/** Whether the same request may succeed later; an upload that is gone does not come back. */
export function mayPass(error: unknown): boolean {
  if (BackupError.is(error)) return error.retryable
  if (isS3Error(error, 'BadDigest', 'XAmzContentSHA256Mismatch', 'XAmzContentChecksumMismatch', 'OperationAborted')) return true
  return ['UNREACHABLE', 'TIMED_OUT', 'OVERLOADED'].includes(classifyS3Error(error))
}

/** Rejects with `ABORTED`. */
export async function pauseAfter(error: unknown, attempt: number, signal: AbortSignal | undefined): Promise<void> {
  const asked = Math.min(longestRetryAfterMilliseconds, retryAfterOf(error) ?? 0)
  const backoff = Math.random() * Math.min(longestDelayMilliseconds, firstDelayMilliseconds * 2 ** (attempt - 1))
  try {
    await waitFor(asked + backoff, undefined, signal === undefined ? {} : { signal })
  } catch (failure) {
    if (signal?.aborted) throw abortError(signal, 'pause before another attempt')
    throw failure
  }
}
