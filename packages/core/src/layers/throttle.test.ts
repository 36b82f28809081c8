import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesOf, reopenable, sampleBytes } from '../testing/chunks-of.ts'
import { createMemoryUploader } from '../testing/memory-uploader.ts'
import { createThrottle, type ThrottleClock } from './throttle.ts'
import { withThrottle } from './with-throttle.ts'

/** A clock that jumps to its next timer when told. */
function manualClock() {
  let now = 0
  let timers: { at: number; callback: () => void }[] = []
  const clock: ThrottleClock = {
    now: () => now,
    after(milliseconds, callback) {
      const timer = { at: now + milliseconds, callback }
      timers.push(timer)
      return () => {
        timers = timers.filter((candidate) => candidate !== timer)
      }
    },
  }
  async function settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    clock,
    time: () => now,
    pending: () => timers.length,
    settle,
    /** Runs until no timer is left; returns the time. */
    async runAll(): Promise<number> {
      await settle()
      while (timers.length > 0) {
        timers.sort((a, b) => a.at - b.at)
        const timer = timers.shift()
        now = Math.max(now, timer?.at ?? now)
        timer?.callback()
        await settle()
      }
      return now
    },
  }
}

describe('createThrottle', () => {
  it('refuses limits that are none', () => {
    for (const bytesPerSecond of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => createThrottle({ bytesPerSecond })).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS' }))
      expect(() => createThrottle().change(bytesPerSecond)).toThrow(expect.objectContaining({ code: 'INVALID_SETTINGS' }))
    }
  })

  it('lets pass at once what the burst holds, and the rest by the limit', async () => {
    const { clock, time, runAll } = manualClock()
    const throttle = createThrottle({ bytesPerSecond: 1000, burstBytes: 500, clock })
    const passed: number[] = []
    const takes = [500, 250, 250, 1000].map((bytes) => throttle.take(bytes).then(() => passed.push(time())))
    await runAll()
    await Promise.all(takes)
    expect(passed).toEqual([0, 250, 500, 1000])
  })

  it('never lets more pass than limit and burst allow, in whatever sizes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 10, max: 100_000 }),
        fc.integer({ min: 1, max: 5000 }),
        async (sizes, bytesPerSecond, burstBytes) => {
          const { clock, time, runAll } = manualClock()
          const throttle = createThrottle({ bytesPerSecond, burstBytes, clock })
          let total = 0
          const order: number[] = []
          const takes = sizes.map((bytes, index) =>
            throttle.take(bytes).then(() => {
              order.push(index)
              const before = total
              total += bytes
              // A take larger than the burst passes with a full bucket and leaves a debt.
              expect(before + Math.min(bytes, burstBytes)).toBeLessThanOrEqual((time() / 1000) * bytesPerSecond + burstBytes + 1e-3)
            }),
          )
          const end = await runAll()
          await Promise.all(takes)
          expect(order).toEqual(sizes.map((_, index) => index))
          const sum = sizes.reduce((a, b) => a + b, 0)
          const last = sizes.at(-1) ?? 0
          expect(end).toBeLessThanOrEqual(
            Math.max(0, ((sum - last + Math.min(last, burstBytes)) / bytesPerSecond) * 1000) + sizes.length + 1,
          )
        },
      ),
      { numRuns: 60 },
    )
  })

  it('lets those who wait go on by a new limit at once', async () => {
    const { clock, time, runAll, settle, pending } = manualClock()
    const throttle = createThrottle({ bytesPerSecond: 1, burstBytes: 100, clock })
    await throttle.take(100)
    let passedAt: number | undefined
    const take = throttle.take(100).then(() => {
      passedAt = time()
    })
    await settle()
    expect(passedAt).toBeUndefined()
    throttle.change(1000)
    await runAll()
    await take
    expect(passedAt).toBe(100)

    const waiting = Promise.all([throttle.take(100), throttle.take(100), throttle.take(100)])
    throttle.change(undefined)
    await waiting
    expect(throttle.bytesPerSecond).toBeUndefined()
    expect(pending()).toBe(0)
  })

  it('lets nobody wait for one who gave up', async () => {
    const { clock, time, runAll } = manualClock()
    const throttle = createThrottle({ bytesPerSecond: 100, burstBytes: 1000, clock })
    await throttle.take(1000)
    const controller = new AbortController()
    const aborted = throttle.take(1000, { signal: controller.signal })
    const next = throttle.take(10).then(() => time())
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' })
    await runAll()
    expect(await next).toBe(100)
    await expect(throttle.take(1, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

describe('withThrottle', () => {
  it('shares one limit between uploaders and directions', async () => {
    const { clock, runAll } = manualClock()
    const throttle = createThrottle({ bytesPerSecond: 100_000, burstBytes: 1000, clock })
    const memory = createMemoryUploader()
    const bytes = sampleBytes(50_000)
    await memory.upload('there', reopenable(bytes))
    const [one, two] = [withThrottle(memory, throttle), withThrottle(memory.another(), throttle)]
    const transfers = Promise.all([one.upload('a', reopenable(bytes)), two.upload('b', reopenable(bytes)), bytesOf(one.download('there'))])
    const end = await runAll()
    const [, , downloaded] = await transfers
    expect(bytes.equals(downloaded)).toBe(true)
    expect(end).toBeGreaterThanOrEqual(1490)
    expect(end).toBeLessThanOrEqual(1800)
  })

  it('stops a transfer that waits, at once', async () => {
    const throttle = createThrottle({ bytesPerSecond: 1, burstBytes: 10 })
    const controller = new AbortController()
    const upload = withThrottle(createMemoryUploader(), throttle).upload('a', reopenable(sampleBytes(1000)), { signal: controller.signal })
    setImmediate(() => controller.abort())
    await expect(upload).rejects.toMatchObject({ code: 'ABORTED' })
  })
})
