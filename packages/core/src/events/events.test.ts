import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Phase, Progress } from '../contracts/index.ts'
import { abortError, BackupError } from '../errors/backup-error.ts'
import { ProgressAggregator } from './progress-aggregator.ts'
import type { RunEvent } from './run-event.ts'
import { RunReporter, reportRun } from './run-reporter.ts'

const bytes = (amount: number, phase: Phase = 'capture', item?: string): Progress => ({
  type: 'bytes',
  phase,
  bytes: amount,
  ...(item === undefined ? {} : { item }),
})

describe('the progress aggregator', () => {
  test('adds up, tells the item that moved last and rows where there are any', () => {
    const aggregator = new ProgressAggregator()
    expect(aggregator.add({ ...bytes(5, 'capture', 'a'), rows: 2 } as Progress, 0)).toMatchObject([
      { type: 'bytes', bytes: 5, item: 'a', rows: 2 },
    ])
    expect(aggregator.add({ ...bytes(7, 'capture', 'b'), rows: 3 } as Progress, 50)).toEqual([])
    expect(aggregator.add(bytes(1, 'store'), 60)).toMatchObject([{ phase: 'store', bytes: 1 }])
    expect(aggregator.flush(70)).toMatchObject([{ phase: 'capture', bytes: 12, item: 'b', rows: 5 }])
    expect(aggregator.flush(80)).toEqual([])
    expect(aggregator.bytes).toBe(12)
  })

  test('knows what to expect from the items that began, each once, or from what was said', () => {
    const aggregator = new ProgressAggregator()
    const begun: Progress = { type: 'item', phase: 'capture', item: 'a', state: 'begun', bytesTotal: 100 }
    expect(aggregator.add(begun, 0)).toEqual([begun])
    aggregator.add(begun, 0)
    aggregator.add({ ...begun, item: 'b', bytesTotal: 50 }, 0)
    expect(aggregator.add(bytes(10), 0)).toMatchObject([{ bytes: 10, expected: 150 }])
    expect(aggregator.add(bytes(190), 1000)).toMatchObject([{ bytes: 200, expected: 200 }])
    aggregator.expect('capture', 1000)
    expect(aggregator.add(bytes(1), 2000)).toMatchObject([{ expected: 1000 }])
  })

  test('says the last bytes before it says that an item has ended', () => {
    const aggregator = new ProgressAggregator()
    aggregator.add(bytes(1), 0)
    aggregator.add(bytes(1), 1)
    const ended: Progress = { type: 'item', phase: 'capture', item: 'a', state: 'ended' }
    expect(aggregator.add(ended, 2)).toMatchObject([{ type: 'bytes', bytes: 2 }, ended])
  })

  test('comes to a steady rate, and follows a change within some seconds', () => {
    const aggregator = new ProgressAggregator()
    const rateAfter = (from: number, to: number, perSecond: number) => {
      let rate = 0
      for (let now = from; now < to; now += 100) {
        for (const event of aggregator.add(bytes(perSecond / 10), now)) if (event.type === 'bytes') rate = event.rate
      }
      return rate
    }
    expect(rateAfter(0, 30_000, 1000)).toBeGreaterThan(980)
    expect(rateAfter(30_000, 50_000, 100)).toBeLessThan(150)
  })

  test('a first moment without bytes does not hold the rate down', () => {
    const aggregator = new ProgressAggregator()
    aggregator.add(bytes(0), 0)
    const rates = Array.from({ length: 10 }, (_, index) => aggregator.add(bytes(index === 0 ? 0 : 100), (index + 1) * 100)).flat()
    expect(rates.at(-1)).toMatchObject({ bytes: 900, rate: expect.toSatisfy((rate: number) => rate > 850 && rate < 1000) })
  })

  test('never says more than ten byte events a second and phase, loses no byte and never counts down', () => {
    const call = fc.record({ phase: fc.constantFrom<Phase>('capture', 'store'), amount: fc.nat(1000), after: fc.nat(120) })
    fc.assert(
      fc.property(fc.array(call, { maxLength: 200 }), (calls) => {
        const aggregator = new ProgressAggregator()
        const said = new Map<Phase, { at: number; bytes: number }[]>()
        let now = 0
        const hear = (events: readonly RunEvent[]) => {
          for (const event of events) {
            if (event.type !== 'bytes') continue
            expect(event.rate).toBeGreaterThanOrEqual(0)
            said.set(event.phase, [...(said.get(event.phase) ?? []), { at: now, bytes: event.bytes }])
          }
        }
        for (const { phase, amount, after } of calls) {
          now += after
          hear(aggregator.add(bytes(amount, phase), now))
        }
        for (const list of said.values()) {
          for (const [index, { at, bytes: total }] of list.entries()) {
            const before = list[index - 1]
            if (before === undefined) continue
            expect(at - before.at).toBeGreaterThanOrEqual(100)
            expect(total).toBeGreaterThanOrEqual(before.bytes)
          }
        }
        hear(aggregator.flush(now))
        for (const phase of ['capture', 'store'] as const) {
          const total = calls.filter((one) => one.phase === phase).reduce((sum, { amount }) => sum + amount, 0)
          expect(said.get(phase)?.at(-1)?.bytes ?? 0).toBe(total)
        }
      }),
    )
  })
})

describe('the reporter', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('says stalled after so many seconds without a byte, again after as many, and not while bytes move', () => {
    const events: RunEvent[] = []
    using reporter = new RunReporter({ onEvent: (event) => events.push(event), stalledAfterSeconds: 8 })
    const stalled = () => events.filter(({ type }) => type === 'stalled')
    for (let second = 0; second < 20; second++) {
      reporter.onProgress(bytes(1))
      vi.advanceTimersByTime(1000)
    }
    expect(stalled()).toEqual([])
    reporter.onProgress(bytes(0))
    vi.advanceTimersByTime(18_000)
    expect(stalled()).toHaveLength(2)
    expect(stalled()[0]).toMatchObject({ seconds: expect.toSatisfy((seconds: number) => seconds >= 8 && seconds <= 11) })
    reporter.finish('done')
    vi.advanceTimersByTime(60_000)
    expect(stalled()).toHaveLength(2)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('ends once, with the last bytes before', () => {
    const events: RunEvent[] = []
    using reporter = new RunReporter({ onEvent: (event) => events.push(event) })
    reporter.onProgress(bytes(1))
    reporter.onProgress(bytes(2))
    vi.advanceTimersByTime(1500)
    reporter.finish('partial')
    reporter.finish('failed')
    expect(events.map(({ type }) => type)).toEqual(['bytes', 'bytes', 'finished'])
    expect(events.at(-2)).toMatchObject({ bytes: 3 })
    expect(events.at(-1)).toEqual({ type: 'finished', outcome: 'partial', seconds: 1.5, bytes: 3 })
  })

  test('says nothing after the end, whatever a plugin that was stopped still says', () => {
    const events: RunEvent[] = []
    using reporter = new RunReporter({ onEvent: (event) => events.push(event) })
    reporter.finish('aborted')
    reporter.onProgress(bytes(1))
    reporter.onProgress({ type: 'step', text: 'too late' })
    reporter.emit({ type: 'resuming', id: '1' })
    expect(events.map(({ type }) => type)).toEqual(['finished'])
  })

  test.each([
    [new BackupError('stopped', { code: 'ABORTED' }), 'aborted'],
    [new BackupError('broken', { code: 'CORRUPTED' }), 'failed'],
    [new TypeError('a bug'), 'failed'],
  ])('ends with the outcome of an operation that throws %s', async (error, outcome) => {
    const events: RunEvent[] = []
    await expect(reportRun({ onEvent: (event) => events.push(event) }, () => Promise.reject(error))).rejects.toBe(error)
    expect(events).toMatchObject([{ type: 'finished', outcome }])
    expect(vi.getTimerCount()).toBe(0)
  })
})

test('a run that was cut, such as by a limit of time, is told as failed, and one that somebody aborted as aborted', async () => {
  const outcomeOf = async (reason: unknown) => {
    const events: RunEvent[] = []
    const signal = AbortSignal.abort(reason)
    const run = async (): Promise<never> => {
      throw abortError(signal, 'the backup')
    }
    await expect(reportRun({ onEvent: (event) => events.push(event) }, run)).rejects.toMatchObject({ code: 'ABORTED' })
    return events.at(-1)
  }
  expect(await outcomeOf(new BackupError('took too long', { code: 'TIMED_OUT' }))).toMatchObject({ type: 'finished', outcome: 'failed' })
  expect(await outcomeOf(new BackupError('stopped', { code: 'ABORTED' }))).toMatchObject({ outcome: 'aborted' })
  expect(await outcomeOf(new Error('SIGTERM'))).toMatchObject({ outcome: 'aborted' })
})
