import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { at, minute, numbered, sketched } from '../chain/__fixtures__/numbered-positions.ts'
import { historyOf } from '../chain/chain-history.ts'
import type { Backup } from '../contracts/index.ts'
import { randomRestorePoint } from './random-restore-point.ts'

/** A full, and logs of an hour each behind it. */
function history(logs: number, covers: boolean): Backup[] {
  const full = sketched({ id: '00', kind: 'full', consistentAt: minute(0), position: at('c', 0) })
  const others = Array.from({ length: logs }, (_, index) => {
    const [from, to] = [minute(index * 60), minute((index + 1) * 60)]
    const id = String(index + 1).padStart(2, '0')
    const position = { from: at('c', index), position: at('c', index + 1) }
    return sketched({ id, kind: 'log', consistentAt: to, ...position, ...(covers ? { covers: [{ from, to }] } : {}) })
  })
  return [full, ...others]
}

const draw = (backups: readonly Backup[], seed: number, canStop = true) => randomRestorePoint(historyOf(backups, numbered), canStop, seed)

describe('a random restore point', () => {
  test('is none where nothing can be restored', () => {
    const [, log, ...others] = history(3, false)
    expect(draw([], 1)).toBeUndefined()
    expect(draw([log as Backup, ...others], 1)).toBeUndefined()
    expect(draw([sketched({ id: 'p', kind: 'full', consistentAt: minute(0), status: 'partial' })], 1)).toBeUndefined()
  })

  test('is never one that a hole lies before', () => {
    const backups = history(9, false).filter(({ id }) => id !== '05')
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const drawn = draw(backups, seed)
        expect(drawn).toEqual({ backup: expect.stringMatching(/^0[0-4]$/) })
      }),
    )
  })

  test('lets every backup get its turn, whether it is old or new', () => {
    const turns = new Map<string, number>()
    for (let seed = 0; seed < 2000; seed++) {
      const drawn = draw(history(9, false), seed)
      if (drawn !== undefined && 'backup' in drawn) turns.set(drawn.backup, (turns.get(drawn.backup) ?? 0) + 1)
    }
    expect(turns.size).toBe(10)
    for (const count of turns.values()) expect(count).toBeGreaterThan(140)
  })

  test('of a log with times lies within these, and only for an agent that can stop there', () => {
    const moments: number[] = []
    for (let seed = 0; seed < 300; seed++) {
      const drawn = draw(history(3, true), seed)
      if (drawn !== undefined && 'at' in drawn) moments.push(Date.parse(drawn.at))
      expect(draw(history(3, true), seed, false)).toHaveProperty('backup')
    }
    expect(moments.length).toBeGreaterThan(150)
    expect(Math.min(...moments)).toBeGreaterThanOrEqual(Date.parse(minute(0)))
    expect(Math.max(...moments)).toBeLessThan(Date.parse(minute(180)))
    expect(new Set(moments).size).toBeGreaterThan(150)
  })

  test('depends on the seed and the backups alone, and not on their order', () => {
    fc.assert(
      fc.property(fc.nat(), fc.boolean(), (seed, covers) => {
        const backups = history(6, covers)
        expect(draw(backups.toReversed(), seed)).toEqual(draw(backups, seed))
      }),
    )
  })
})
