import { abortError } from '../errors/backup-error.ts'

/**
 * Waits for work that goes on for others, or whose end is of no more interest once this is aborted: then it throws `ABORTED` at once, and
 * what the work fails with later is not heard. `what` names the operation in the message.
 */
export async function unlessAborted<Result>(work: Promise<Result>, what: string, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return await work
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(abortError(signal, what))
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  promise.catch(() => undefined)
  work.catch(() => undefined)
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
