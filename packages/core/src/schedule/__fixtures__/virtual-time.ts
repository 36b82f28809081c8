import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import type { ScheduleClock } from '../schedule-clock.ts'

interface Timer {
  readonly at: number
  readonly order: number
  readonly fire: () => void
}

/** Time that passes only when nothing else can happen. Timers that are due at once fire in the order in which they were made. */
export class VirtualTime {
  time = 0
  #timers: Timer[] = []
  #made = 0

  /** What the clocks of one machine show. A suspended machine finds its timers late. */
  clock({ wall = 0, suspendedUntil = () => 0 }: { readonly wall?: number; readonly suspendedUntil?: () => number } = {}): ScheduleClock {
    return {
      now: () => wall + this.time,
      monotonic: () => this.time,
      wait: async (milliseconds, signal) => {
        await this.#wait(milliseconds, signal)
        while (suspendedUntil() > this.time) await this.#wait(suspendedUntil() - this.time, undefined)
      },
    }
  }

  /** Until the work is done; throws where nothing is waited for any more and it is not. */
  async run<Result>(work: Promise<Result>): Promise<Result> {
    let settled = false
    const end = (): void => {
      settled = true
    }
    work.then(end, end)
    for (;;) {
      await setImmediate()
      if (settled) return await work
      const timer = this.#take() ?? (await this.#afterRealWork(() => settled))
      if (timer === undefined) continue
      this.time = Math.max(this.time, timer.at)
      timer.fire()
    }
  }

  /** A file may be read just now, which takes real time. */
  async #afterRealWork(settled: () => boolean): Promise<Timer | undefined> {
    for (let waits = 0; waits < 2000; waits++) {
      await delay(2)
      if (settled()) return undefined
      const timer = this.#take()
      if (timer !== undefined) return timer
    }
    throw new Error(`nothing happens any more at ${this.time}`)
  }

  #take(): Timer | undefined {
    const first = this.#timers.reduce<Timer | undefined>(
      (best, timer) => (best === undefined || timer.at < best.at || (timer.at === best.at && timer.order < best.order) ? timer : best),
      undefined,
    )
    this.#timers = this.#timers.filter((timer) => timer !== first)
    return first
  }

  #wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const onAbort = (): void => {
      this.#timers = this.#timers.filter((each) => each !== timer)
      resolve()
    }
    const fire = (): void => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }
    const timer = { at: this.time + Math.max(0, milliseconds), order: this.#made++, fire }
    this.#timers.push(timer)
    signal?.addEventListener('abort', onAbort, { once: true })
    return promise
  }
}
