/** The clock that schedules and leases go by; tests bring their own. */
export interface ScheduleClock {
  /** What the system's clock shows, in milliseconds since 1970. It may be set at any time. */
  now(): number
  /** Milliseconds since some moment, by a clock that nobody sets. */
  monotonic(): number
  /** Resolves after so long by the monotonic clock, or once the signal is aborted. */
  wait(milliseconds: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: ScheduleClock = {
  now: Date.now,
  monotonic: () => performance.now(),
  wait(milliseconds, signal) {
    const { promise, resolve } = Promise.withResolvers<void>()
    if (signal?.aborted === true) return Promise.resolve()
    const onAbort = (): void => {
      clearTimeout(timer)
      resolve()
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', onAbort, { once: true })
    return promise
  },
}
