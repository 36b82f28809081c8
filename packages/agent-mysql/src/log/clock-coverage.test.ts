import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ClockCoverage } from './clock-coverage.ts'

const base = Date.parse('2026-03-01T12:00:00.000Z')
const at = (seconds: number): number => base + seconds * 1000

/** Spans in seconds after noon. */
function covered(begin: number, changes: readonly number[], end: number): readonly (readonly [from: number, to: number])[] {
  const coverage = new ClockCoverage(at(begin))
  for (const change of changes) coverage.change(at(change))
  return coverage.end(at(end)).map(({ from, to }) => [(Date.parse(from) - base) / 1000, (Date.parse(to) - base) / 1000])
}

const range = (from: number, to: number, step = 10): number[] =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step)

describe('ClockCoverage', () => {
  it('is one stretch from the moment continued to its own, whether anything happened or not', () => {
    expect(covered(0, [], 100)).toEqual([[0, 100]])
    expect(covered(0, range(0, 600), 601)).toEqual([[0, 601]])
    // Nobody wrote for a day.
    expect(covered(0, [1, 2, 86_400, 86_401], 86_402)).toEqual([[0, 86_402]])
  })

  it('takes no slow statement for a clock that was set', () => {
    expect(covered(0, [...range(0, 1000), 100, 1001, 1002], 1003)).toEqual([[0, 1003]])
    // Many that waited for the same lock.
    expect(covered(0, [...range(0, 1000), ...range(900, 930, 1), 1001], 1003)).toEqual([[0, 1003]])
    // One that began before the moment continued.
    expect(covered(0, [-500, 1, 2], 10)).toEqual([[0, 10]])
  })

  it('takes no change with a stamp of its own for a clock that was set', () => {
    expect(covered(0, [1, 2, 1_000_000, 3, -1_000_000, 4], 10)).toEqual([[0, 10]])
    expect(covered(0, [1_000_000], 10)).toEqual([[0, 10]])
  })

  it('splits where the clock was set back and went on from there, also where it catches up within the log', () => {
    expect(covered(0, [...range(0, 1000), ...range(400, 2000)], 2001)).toEqual([
      [0, 1000],
      [400, 2001],
    ])
    expect(covered(0, range(0, 1000), 400)).toEqual([
      [0, 1000],
      [400, 400],
    ])
    expect(covered(0, [...range(0, 1000), 400, 405], 410)).toEqual([
      [0, 1000],
      [400, 410],
    ])
  })

  it('ends at its own moment when that is before the one continued, however little', () => {
    expect(covered(100, [], 99.5)).toEqual([
      [100, 100],
      [99.5, 99.5],
    ])
  })

  it('believes readings of the clock itself', () => {
    const coverage = new ClockCoverage(at(0))
    for (const reading of [10, 20, 15, 30]) coverage.reading(at(reading))
    expect(coverage.end(at(40)).map(({ from, to }) => [from.slice(14, 19), to.slice(14, 19)])).toEqual([
      ['00:00', '00:20'],
      ['00:15', '00:40'],
    ])
  })

  it('never throws, gives spans that do not end before they begin, the first from where it begins and the last to where it ends', () => {
    const event = fc.tuple(fc.boolean(), fc.integer({ min: -100_000, max: 100_000 }))
    fc.assert(
      fc.property(
        fc.integer({ min: -1000, max: 1000 }),
        fc.array(event, { maxLength: 60 }),
        fc.integer({ min: -100_000, max: 100_000 }),
        (begin, events, end) => {
          const coverage = new ClockCoverage(at(begin))
          for (const [sure, seconds] of events) sure ? coverage.reading(at(seconds)) : coverage.change(at(seconds))
          const spans = coverage.end(at(end))
          expect(spans[0]?.from).toBe(new Date(at(begin)).toISOString())
          expect(spans.at(-1)?.to).toBe(new Date(at(end)).toISOString())
          for (const { from, to } of spans) expect(from <= to).toBe(true)
        },
      ),
    )
  })

  it('finds every clock that was set back by three minutes and more, among changes that lag less than a minute', () => {
    const stretch = fc.record({ back: fc.integer({ min: 180, max: 5000 }), seconds: fc.integer({ min: 200, max: 2000 }) })
    fc.assert(
      fc.property(
        fc.array(stretch, { maxLength: 4 }),
        fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 50, maxLength: 50 }),
        (stretches, lags) => {
          const coverage = new ClockCoverage(at(0))
          let now = 0
          let count = 0
          const write = (seconds: number) => {
            for (const end = now + seconds; now < end; now += 5) {
              coverage.change(at(now - (count % 7 === 0 ? (lags[count % 50] ?? 0) : 0)))
              count++
            }
          }
          write(1000)
          for (const { back, seconds } of stretches) {
            now -= Math.min(back, 900)
            write(seconds + 950)
          }
          expect(coverage.end(at(now))).toHaveLength(stretches.length + 1)
        },
      ),
    )
  })
})
