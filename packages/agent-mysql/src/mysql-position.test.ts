import type { Position } from '@backup-planet/core'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { comparePositions, parsePosition } from './mysql-position.ts'

const position = (value: Readonly<Record<string, string>>, chain = 'c'): Position => ({ chain, value })
const place = (file: string, offset: string | number, gtid = ''): Position => position({ file, offset: String(offset), gtid })
const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562'

describe('comparePositions', () => {
  it('goes by the number of the file, also beyond six digits, then by the offset', () => {
    expect(comparePositions(place('b.000009', 500), place('b.000010', 4))).toBe(-1)
    expect(comparePositions(place('b.1000000', 4), place('b.999999', 9_999_999))).toBe(1)
    expect(comparePositions(place('b.000001', '900'), place('b.000001', '1000'))).toBe(-1)
    expect(comparePositions(place('b.000001', '18446744073709551615'), place('b.000001', '18446744073709551614'))).toBe(1)
    expect(comparePositions(place('b.000001', 4, '0-1-7'), place('b.000001', 4, '0-1-9'))).toBe(0)
  })

  it('tells nothing of other files, other chains and other text', () => {
    expect(comparePositions(place('a.000001', 4), place('b.000001', 4))).toBeUndefined()
    expect(comparePositions(position({ file: 'b.000001', offset: '4' }), position({ file: 'b.000001', offset: '4' }, 'd'))).toBeUndefined()
    expect(comparePositions(position({ file: 'b', offset: '4' }), place('b.000001', 4))).toBeUndefined()
    expect(comparePositions(position({}), place('b.000001', 4))).toBeUndefined()
  })

  it('compares by GTID sets where an operator names no place', () => {
    expect(comparePositions(place('b.000001', 4, `${uuid}:1-5`), position({ gtid: `${uuid}:1-7` }))).toBe(-1)
    expect(comparePositions(position({ gtid: `${uuid}:6` }), place('b.000001', 4, `${uuid}:1-7`))).toBe(-1)
    expect(comparePositions(position({ gtid: `${uuid}:8` }), place('b.000001', 4, `${uuid}:1-7`))).toBeUndefined()
    expect(comparePositions(position({ gtid: '0-1-8' }), place('b.000001', 4, '0-2-9,1-1-3'))).toBe(-1)
    expect(comparePositions(position({ gtid: '0-1-8' }), place('b.000001', 4, ''))).toBe(1)
    expect(comparePositions(position({ gtid: '0-1-8' }), position({ gtid: ` ${uuid}:1` }))).toBeUndefined()
  })

  const text = fc.oneof(fc.string(), fc.constantFrom('b.000001', 'b.000002', 'a.9', '4', '379', '', `${uuid}:1-5`, '0-1-5'))
  const anything = fc
    .dictionary(fc.oneof(fc.constantFrom('file', 'offset', 'gtid'), fc.string({ maxLength: 5 })), text, { maxKeys: 4 })
    .map((value) => position(value))
  const gtid = fc.oneof(
    fc
      .array(fc.tuple(fc.constantFrom(uuid, `${uuid}:tag`), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 3 })), {
        maxLength: 3,
      })
      .map((parts) => parts.map(([key, first, more]) => `${key}:${first}-${first + more}`).join(',')),
    fc
      .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 4 })), {
        selector: ([domain]) => domain,
        maxLength: 3,
      })
      .map((parts) => parts.map((part) => part.join('-')).join(',')),
  )
  const placed = fc
    .tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 4, max: 8 }), gtid)
    .map(([base, number, offset, set]) => place(`${base}.00000${number}`, offset, set))
  const set = gtid.map((value) => position({ gtid: value }))

  it('takes any text, is the same from both sides, and finds a position to be itself', () => {
    fc.assert(
      fc.property(fc.oneof(anything, placed, set), fc.oneof(anything, placed, set), (a, b) => {
        const [there, back] = [comparePositions(a, b), comparePositions(b, a)]
        expect([-1, 0, 1, undefined]).toContain(there)
        expect(back === undefined ? undefined : 0 - back).toBe(there)
      }),
    )
    fc.assert(
      fc.property(fc.oneof(placed, set), (a) => {
        expect(comparePositions(a, { ...a, value: { ...a.value } })).toBe(0)
      }),
    )
  })

  it('orders three places, and three sets, without contradiction', () => {
    for (const some of [placed, set]) {
      fc.assert(
        fc.property(some, some, some, (a, b, c) => {
          const [ab, bc] = [comparePositions(a, b), comparePositions(b, c)]
          if (ab === undefined || bc === undefined || ab * bc < 0) return
          expect(comparePositions(a, c)).toBe(ab === 0 ? bc : ab)
        }),
        { numRuns: 2000 },
      )
    }
  })

  it('orders places of one history and sets of any text without contradiction', () => {
    const history = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 2, maxLength: 12 }).map((steps) => {
      let [sequence, file] = [0, 1]
      return steps.map((step, index) => {
        sequence += step
        if (step === 0) file++
        return place(`b.00000${file}`, 4 + index, sequence === 0 ? '' : `${uuid}:1-${sequence}`)
      })
    })
    fc.assert(
      fc.property(history, set, set, fc.infiniteStream(fc.nat()), (places, first, second, numbers) => {
        const pick = (): Position => {
          const all = [...places, first, second]
          return all[numbers.next().value % all.length] as Position
        }
        const [a, b, c] = [pick(), pick(), pick()]
        const [ab, bc, ac] = [comparePositions(a, b), comparePositions(b, c), comparePositions(a, c)]
        // A set is the same point as each of the places between which nothing happened.
        if (ab === undefined || bc === undefined || ab * bc <= 0) return
        expect(ac).toBe(ab)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('parsePosition', () => {
  it('takes a place, a GTID and a set', () => {
    expect(parsePosition('mysql-bin.000012:379')).toEqual({ file: 'mysql-bin.000012', offset: '379' })
    expect(parsePosition(' /odd:name.0000123:0379')).toEqual({ file: '/odd:name.0000123', offset: '379' })
    expect(parsePosition('0-1-1074')).toEqual({ gtid: '0-1-1074' })
    expect(parsePosition(`${uuid}:1-5:7,\n${uuid.replace('3', '4')}:1`)).toEqual({ gtid: `${uuid}:1-5:7,${uuid.replace('3', '4')}:1` })
  })

  it.each(['', ' ', 'mysql-bin.000012', 'mysql-bin.000012:', 'mysql-bin:4', '12:x', '0-1', `${uuid}`, 'x'.repeat(5000)])(
    'refuses %j with what to write instead',
    (text) => {
      expect(() => parsePosition(text)).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT', hint: expect.stringContaining('FILE:OFFSET') }),
      )
    },
  )
})
