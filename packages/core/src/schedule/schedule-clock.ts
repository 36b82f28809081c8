/** The clock that schedules and leases go by; tests bring their own. */
export interface ScheduleClock {
  /** What the system's clock shows, in milliseconds since 1970. It may be set at any time. */
  now(): number
  /** Milliseconds since some moment, by a clock that nobody sets. */
  monotonic(): number
  /** Resolves after so long by the monotonic clock, or once the signal is aborted. */
  wait(milliseconds: number, signal?: AbortSignal): Promise<void>
}

/** A moment by both clocks. */
export interface ClockMoment {
  readonly wall: number
  readonly monotonic: number
}

export function momentOf(clock: ScheduleClock): ClockMoment {
  return { wall: clock.now(), monotonic: clock.monotonic() }
}

/** How many milliseconds may have passed since then: the clock that nobody sets stands still while a machine sleeps, as it does on Linux, and the other may be set. */
export function mostSince(clock: ScheduleClock, { wall, monotonic }: ClockMoment): number {
  return Math.max(clock.now() - wall, clock.monotonic() - monotonic)
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
