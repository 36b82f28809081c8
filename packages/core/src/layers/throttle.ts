import { abortError, BackupError, throwIfAborted } from '../errors/backup-error.ts'

export interface ThrottleSettings {
  /** Unlimited when left out. */
  readonly bytesPerSecond?: number | undefined
  /** How much may pass at once after a pause; a tenth of a second's worth, at least 16 KiB, when left out. */
  readonly burstBytes?: number
  readonly clock?: ThrottleClock
}

/** The seam to real time. */
export interface ThrottleClock {
  /** Milliseconds that never go backwards. */
  now(): number
  /** Calls back once after `milliseconds`; the returned function calls it off. */
  after(milliseconds: number, callback: () => void): () => void
}

/** One limit in bytes per second, shared by everything that takes from it, first come first served. */
export interface Throttle {
  readonly bytesPerSecond: number | undefined
  /** What one `take` should not exceed, so that nobody waits long behind another. */
  readonly largestTake: number
  /** Resolves when `bytes` may pass. Rejects with `ABORTED`; bytes not yet granted are then given back. */
  take(bytes: number, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>
  /** Sets another limit, or none. Who waits now waits by the new limit. */
  change(bytesPerSecond: number | undefined): void
}

/** Timers of Node.js end at once when they are set beyond 2³¹ ms; a waiter woken early only waits again. */
const longestTimer = 3_600_000

const realClock: ThrottleClock = {
  now: () => performance.now(),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds)
    return () => clearTimeout(timer)
  },
}

/**
 * A token bucket: tokens are bytes, refilled at the limit up to the burst. A take larger than the burst leaves a debt that
 * the next ones wait for, so that the long-term rate holds whatever the sizes.
 */
export function createThrottle(settings: ThrottleSettings = {}): Throttle {
  const clock = settings.clock ?? realClock
  let rate = assertRate(settings.bytesPerSecond)
  let tokens = burst()
  let refilledAt = clock.now()
  let callOff: (() => void) | undefined
  const waiting: { readonly bytes: number; readonly grant: () => void }[] = []

  function burst(): number {
    if (settings.burstBytes !== undefined) return settings.burstBytes
    return rate === undefined ? Number.MAX_SAFE_INTEGER : Math.max(16 * 1024, Math.ceil(rate / 10))
  }

  function refill(): void {
    const now = clock.now()
    if (rate !== undefined) tokens = Math.min(burst(), tokens + ((now - refilledAt) / 1000) * rate)
    refilledAt = now
  }

  /** Grants in order what the tokens suffice for, and sets the timer for the next. */
  function serve(): void {
    callOff?.()
    callOff = undefined
    refill()
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      const needed = Math.min(next.bytes, burst())
      // Rounding in the refill must not leave a waiter short by a fraction of a byte for ever.
      if (rate !== undefined && tokens < needed - 1e-6) {
        callOff = clock.after(Math.min(longestTimer, Math.max(1, Math.ceil(((needed - tokens) / rate) * 1000))), serve)
        return
      }
      if (rate !== undefined) tokens -= next.bytes
      waiting.shift()
      next.grant()
    }
  }

  return {
    get bytesPerSecond() {
      return rate
    },
    get largestTake() {
      return Math.max(1, Math.min(burst(), 1024 * 1024))
    },
    take(bytes, { signal } = {}) {
      return new Promise((resolve, reject) => {
        throwIfAborted(signal, 'throttled transfer')
        const onAbort = (): void => {
          const index = waiting.indexOf(entry)
          if (index >= 0) waiting.splice(index, 1)
          if (signal !== undefined) reject(abortError(signal, 'throttled transfer'))
          serve()
        }
        const entry = {
          bytes,
          grant() {
            signal?.removeEventListener('abort', onAbort)
            resolve()
          },
        }
        signal?.addEventListener('abort', onAbort, { once: true })
        waiting.push(entry)
        if (waiting.length === 1) serve()
      })
    },
    change(bytesPerSecond) {
      refill()
      rate = assertRate(bytesPerSecond)
      // What a faster time has saved up, or a slower one owes, does not outlive the change by more than one burst.
      tokens = Math.max(-burst(), Math.min(tokens, burst()))
      serve()
    },
  }
}

function assertRate(bytesPerSecond: number | undefined): number | undefined {
  if (bytesPerSecond === undefined || (Number.isFinite(bytesPerSecond) && bytesPerSecond > 0)) return bytesPerSecond
  throw new BackupError(`limit of ${bytesPerSecond} bytes per second is not above 0`, {
    code: 'INVALID_SETTINGS',
    hint: 'Give a number of bytes per second above 0, or leave the limit out.',
  })
}
