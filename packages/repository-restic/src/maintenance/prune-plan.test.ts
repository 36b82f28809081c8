import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { PackUsage } from './pack-usage.ts'
import { planPrune } from './prune-plan.ts'

const usage: fc.Arbitrary<PackUsage> = fc
  .record({
    number: fc.nat(1000),
    type: fc.constantFrom<PackUsage['type']>('data', 'tree', 'mixed'),
    usedBytes: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1000 })),
    unusedBytes: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1000 })),
    blobs: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constant(5000)),
    young: fc.boolean(),
  })
  .map((pack) => ({ ...pack, id: `${pack.number}`, size: pack.usedBytes + pack.unusedBytes + 100 }))
const packs = fc.array(usage, { maxLength: 30 })
const policy = fc.record({ maxUnusedShare: fc.constantFrom(0, 0.05, 0.3, 0.9, 1), smallBytes: fc.constantFrom(0, 250, 500) })

describe('a plan of a prune', () => {
  it('says of every pack one thing, of a young one that it stays, and of one that nobody uses that it goes', () => {
    fc.assert(
      fc.property(packs, policy, (all, chosen) => {
        const plan = planPrune(all, chosen)
        expect([...plan.remove, ...plan.repack, ...plan.keep]).toHaveLength(all.length)
        expect(new Set([...plan.remove, ...plan.repack, ...plan.keep])).toEqual(new Set(all))
        expect(plan.remove).toEqual(all.filter(({ young, usedBytes }) => !young && usedBytes === 0))
        expect(plan.repack.some(({ young }) => young)).toBe(false)
      }),
    )
  })

  it('leaves no more unused than the share of the packs that may be touched', () => {
    fc.assert(
      fc.property(packs, policy, (all, chosen) => {
        fc.pre(chosen.maxUnusedShare < 1)
        const { keep, repack } = planPrune(all, chosen)
        const old = keep.filter(({ young }) => !young)
        const unused = sum(old, 'unusedBytes')
        expect(unused).toBeLessThanOrEqual(chosen.maxUnusedShare * (sum(old, 'usedBytes') + sum(repack, 'usedBytes') + unused) + 1e-9)
      }),
    )
  })

  it('repacks the worst first, and none for its waste that need not be', () => {
    fc.assert(
      fc.property(packs, policy, (all, { maxUnusedShare }) => {
        const { keep, repack } = planPrune(all, { maxUnusedShare, smallBytes: 0 })
        const worstKept = Math.max(0, ...keep.filter(({ young }) => !young).map(waste))
        expect(repack.every((pack) => waste(pack) >= worstKept)).toBe(true)
        const last = repack.at(-1)
        if (last === undefined) return
        const old = [...keep.filter(({ young }) => !young), last]
        const used = sum(old, 'usedBytes') + sum(repack, 'usedBytes') - last.usedBytes
        expect(sum(old, 'unusedBytes')).toBeGreaterThan(maxUnusedShare * (used + sum(old, 'unusedBytes')) - 1e-9)
      }),
    )
  })

  it('merges small packs of one type, unless there is one only', () => {
    const small = (number: number, type: PackUsage['type']): PackUsage => ({
      id: `${number}`,
      number,
      type,
      size: 150,
      usedBytes: 100,
      unusedBytes: 0,
      blobs: 3,
      young: false,
    })
    const chosen = { maxUnusedShare: 0.05, smallBytes: 200 }
    const one = small(1, 'data')
    const other = small(2, 'tree')
    expect(planPrune([one, other], chosen).repack).toEqual([])
    expect(planPrune([one, other, small(3, 'tree')], chosen).repack).toEqual([other, small(3, 'tree')])
    expect(planPrune([one, { ...small(4, 'data'), size: 200 }], chosen).repack).toEqual([])
    expect(planPrune([one, { ...small(4, 'data'), blobs: 5000 }], chosen).repack).toEqual([])
    const wasteful = { ...small(5, 'data'), size: 10_000, unusedBytes: 9000 }
    expect(planPrune([one, wasteful], chosen).repack).toEqual([wasteful, one])
    expect(planPrune([one, small(6, 'data')], { ...chosen, maxUnusedShare: 1 }).repack).toEqual([])
  })
})

function sum(all: readonly PackUsage[], field: 'usedBytes' | 'unusedBytes'): number {
  return all.reduce((total, pack) => total + pack[field], 0)
}

function waste({ usedBytes, unusedBytes }: PackUsage): number {
  return usedBytes === 0 ? 0 : unusedBytes / (usedBytes + unusedBytes)
}
