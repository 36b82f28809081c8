import { abortError } from '@backup-planet/core'

/** Waits for work whose end is of no more interest once this is aborted; what it fails with then is not heard. */
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
