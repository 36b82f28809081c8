import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addInterval,
  compareGtidSets,
  containsGtidSet,
  type MutableGtidSet,
  parseGtidSet,
  printGtidSet,
  unionOfGtidSets,
} from './gtid-set.ts'

const servers = ['00000000-0000-0000-0000-00000000000a', 'ffffffff-0000-0000-0000-000000000001'] as const
const keys = [servers[0], `${servers[0]}:sales`, servers[1], `${servers[1]}:_x1`]

/** The model: a set of single transactions. */
type Model = ReadonlySet<string>
interface Modelled {
  readonly set: MutableGtidSet
  readonly model: Model
}
const modelled: fc.Arbitrary<Modelled> = fc
  .array(fc.tuple(fc.constantFrom(...keys), fc.integer({ min: 1, max: 24 }), fc.integer({ min: 0, max: 5 })), { maxLength: 14 })
  .map((intervals) => {
    const set: MutableGtidSet = new Map()
    const model = new Set<string>()
    for (const [key, first, more] of intervals) {
      addInterval(set, key, BigInt(first), BigInt(first + more))
      for (let number = first; number <= first + more; number++) model.add(`${key}#${number}`)
    }
    return { set, model }
  })

function members(set: MutableGtidSet): Model {
  const all = new Set<string>()
  for (const [key, intervals] of set) {
    for (const [first, last] of intervals) for (let number = first; number <= last; number++) all.add(`${key}#${number}`)
  }
  return all
}

function isPart(part: Model, whole: Model): boolean {
  return [...part].every((member) => whole.has(member))
}

describe('sets of MySQL GTIDs', () => {
  it('hold what was added, in ascending intervals that do not touch', () => {
    fc.assert(
      fc.property(modelled, ({ set, model }) => {
        expect(members(set)).toEqual(model)
        for (const intervals of set.values()) {
          for (const [index, [first, last]] of intervals.entries()) {
            expect(first <= last).toBe(true)
            const before = intervals[index - 1]
            if (before !== undefined) expect(before[1] + 1n < first).toBe(true)
          }
        }
      }),
    )
  })

  it('come back from their text, which is the same for the same set', () => {
    fc.assert(
      fc.property(modelled, ({ set, model }) => {
        const text = printGtidSet(set)
        const again = parseGtidSet(text)
        expect(again === undefined ? again : members(again)).toEqual(model)
        expect(again === undefined ? again : printGtidSet(again)).toBe(text)
      }),
    )
  })

  it('unite, contain and compare as sets do', () => {
    fc.assert(
      fc.property(modelled, modelled, (a, b) => {
        expect(members(unionOfGtidSets(a.set, b.set))).toEqual(new Set([...a.model, ...b.model]))
        expect(containsGtidSet(a.set, b.set)).toBe(isPart(b.model, a.model))
        const [below, above] = [isPart(a.model, b.model), isPart(b.model, a.model)]
        expect(compareGtidSets(a.set, b.set)).toBe(below && above ? 0 : below ? -1 : above ? 1 : undefined)
        expect(compareGtidSets(a.set, unionOfGtidSets(a.set, b.set))).toBe(above ? 0 : -1)
      }),
    )
  })

  it('never throw over a text', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseGtidSet(text)))
    fc.assert(fc.property(fc.stringMatching(/^[0-9a-f:,\- _]*$/), (text) => void parseGtidSet(text)))
  })

  it.each([
    ['', ''],
    [' \n', ''],
    [`${servers[0].toUpperCase()}:1-3,\n${servers[0]}:4 : 9-7`, `${servers[0]}:1-4`],
    [`${servers[0].replaceAll('-', '')}:5`, `${servers[0]}:5`],
    [`${servers[1]}:2,${servers[0]}:tag:7:1-5:other:3`, `${servers[0]}:other:3:tag:1-5:7,${servers[1]}:2`],
    [`${servers[0]}:9223372036854775806`, `${servers[0]}:9223372036854775806`],
  ])('prints %j as %j', (text, expected) => {
    const set = parseGtidSet(text)
    expect(set === undefined ? set : printGtidSet(set)).toBe(expected)
  })

  it.each([
    '0-1-100',
    'binlog.000001',
    servers[0],
    `${servers[0]}:`,
    `${servers[0]}:tag`,
    `${servers[0]}:tag:tag:1`,
    `${servers[0]}:0`,
    `${servers[0]}:1--3`,
    `${servers[0]}:9223372036854775807`,
    `${servers[0]}:1;${servers[1]}:1`,
    `${servers[0].slice(1)}:1`,
    `${servers[0]}:${'t'.repeat(33)}:1`,
  ])('knows that %j is none', (text) => {
    expect(parseGtidSet(text)).toBeUndefined()
  })
})
