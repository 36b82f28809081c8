import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  compareMariadbGtidLists,
  containsMariadbGtidList,
  type MariadbGtidList,
  parseMariadbGtid,
  parseMariadbGtidList,
  printMariadbGtidList,
  unionOfMariadbGtidLists,
} from './mariadb-gtid.ts'

const list: fc.Arbitrary<MariadbGtidList> = fc
  .uniqueArray(
    fc.record({
      domain: fc.integer({ min: 0, max: 3 }),
      server: fc.integer({ min: 1, max: 2 }),
      sequence: fc.bigInt({ min: 1n, max: 6n }),
    }),
    { selector: ({ domain }) => domain },
  )
  .map((gtids) => new Map(gtids.map((gtid) => [gtid.domain, gtid])))

describe('lists of MariaDB GTIDs', () => {
  it('come back from their text', () => {
    fc.assert(
      fc.property(list, (gtids) => {
        const text = printMariadbGtidList(gtids)
        expect(parseMariadbGtidList(text)).toEqual(gtids)
        expect(printMariadbGtidList(parseMariadbGtidList(text) ?? new Map())).toBe(text)
      }),
    )
  })

  it('are ordered without contradiction', () => {
    fc.assert(
      fc.property(list, list, list, (a, b, c) => {
        expect(compareMariadbGtidLists(a, a)).toBe(0)
        const [ab, ba, bc] = [compareMariadbGtidLists(a, b), compareMariadbGtidLists(b, a), compareMariadbGtidLists(b, c)]
        expect(ba).toBe(ab === undefined || ab === 0 ? ab : -ab)
        if (ab !== undefined && bc !== undefined && ab * bc >= 0) expect(compareMariadbGtidLists(a, c)).toBe(Math.sign(ab + bc))
        if (ab === 0) expect(printMariadbGtidList(a)).toBe(printMariadbGtidList(b))
      }),
      { numRuns: 2000 },
    )
  })

  it('are contained in their union', () => {
    fc.assert(
      fc.property(list, list, (a, b) => {
        const union = unionOfMariadbGtidLists(a, b)
        expect(containsMariadbGtidList(union, a)).toBe(true)
        expect(containsMariadbGtidList(union, b)).toBe(true)
        for (const gtid of union.values()) expect([a.get(gtid.domain), b.get(gtid.domain)]).toContainEqual(gtid)
      }),
    )
  })

  it.each([
    ['0-1-5', '0-1-6', -1],
    ['0-1-5', '0-2-6', -1],
    ['0-1-5', '0-2-5', undefined],
    ['0-1-5,1-1-9', '0-1-6,1-1-8', undefined],
    ['', '0-1-1', -1],
    ['0-1-5,1-1-1', '0-1-5', 1],
  ] as const)('compares %s with %s', (a, b, expected) => {
    expect(compareMariadbGtidLists(parseMariadbGtidList(a) ?? new Map(), parseMariadbGtidList(b) ?? new Map())).toBe(expected)
  })

  it('knows what is none', () => {
    for (const text of ['1-1', '0-1-1,0-2-2', 'a-b-c', '0-1-1,', '4294967296-1-1', '0-1-18446744073709551616', '0--1-1']) {
      expect(parseMariadbGtidList(text), text).toBeUndefined()
    }
    expect(parseMariadbGtid('4294967295-4294967295-18446744073709551615')).toBeDefined()
    fc.assert(fc.property(fc.string(), (text) => void parseMariadbGtidList(text)))
  })
})
