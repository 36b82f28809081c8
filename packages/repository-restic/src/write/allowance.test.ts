import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { Allowance } from './allowance.ts'

describe('an allowance', () => {
  it('serves in order of arrival, also who wants little behind who wants much', async () => {
    const allowance = new Allowance(10)
    await allowance.take(8)
    const served: string[] = []
    const much = allowance.take(9).then(() => served.push('much'))
    const little = allowance.take(1).then(() => served.push('little'))
    expect(allowance.free).toBe(2)
    expect(allowance.wanted).toBe(true)
    allowance.give(8)
    await Promise.all([much, little])
    expect(served).toEqual(['much', 'little'])
    expect(allowance.free).toBe(0)
    expect(allowance.wanted).toBe(false)
  })

  it('counts more than there is as all', async () => {
    const allowance = new Allowance(10)
    await allowance.take(1000)
    expect(allowance.free).toBe(0)
    allowance.give(1000)
    expect(allowance.free).toBe(10)
  })

  it('never has more to give than it began with', async () => {
    const allowance = new Allowance(10)
    await allowance.take(1000)
    allowance.give(7)
    allowance.give(993)
    expect(allowance.free).toBe(10)
  })

  it('tells whenever somebody has to wait, who is there already then', () => {
    const onWait = vi.fn(() => expect(allowance.wanted).toBe(true))
    const allowance = new Allowance(1, onWait)
    allowance.take(1)
    expect(onWait).not.toHaveBeenCalled()
    allowance.take(1)
    allowance.take(1)
    expect(onWait).toHaveBeenCalledTimes(2)
  })

  it('can be given back while it is being told', async () => {
    const allowance = new Allowance(1, () => allowance.give(1))
    await allowance.take(1)
    await allowance.take(1)
    expect(allowance.free).toBe(0)
  })

  it('that was stopped rejects who waits and who comes, with the first reason', async () => {
    const allowance = new Allowance(1)
    await allowance.take(1)
    const waiting = allowance.take(1)
    const [first, second] = [new Error('first'), new Error('second')]
    allowance.stop(first)
    allowance.stop(second)
    await expect(waiting).rejects.toBe(first)
    await expect(allowance.take(0)).rejects.toBe(first)
    allowance.give(1)
    await expect(allowance.take(1)).rejects.toBe(first)
  })

  it('is never exceeded and never lost, whoever comes and goes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 30 }),
        async (scheduler, total, amounts) => {
          const allowance = new Allowance(total)
          let taken = 0
          const users = amounts.map(async (amount) => {
            await scheduler.schedule(Promise.resolve())
            await allowance.take(amount)
            taken += Math.min(amount, total)
            expect(taken).toBeLessThanOrEqual(total)
            await scheduler.schedule(Promise.resolve())
            taken -= Math.min(amount, total)
            allowance.give(amount)
          })
          await scheduler.waitFor(Promise.all(users))
          expect(allowance.free).toBe(total)
        },
      ),
    )
  })
})
