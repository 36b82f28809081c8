import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Position, PositionOrder } from '../contracts/index.ts'
import { at, numbered } from './__fixtures__/numbered-positions.ts'
import { equalPositions, orderOf } from './position-order.ts'
import { placesOf } from './position-places.ts'

test('positions of one chain get ranks in their order, and others lie between them', () => {
  const places = placesOf([at('c', 30), at('c', 9), at('c', 100), at('d', 10)], numbered)
  expect([9, 30, 100].map((number) => places.of(at('c', number)).rank)).toEqual([0, 2, 4])
  expect([0, 9, 10, 31, 100, 101].map((number) => places.locate(at('c', number))?.rank)).toEqual([-1, 0, 1, 3, 4, 5])
  expect(places.of(at('d', 10)).line).not.toBe(places.of(at('c', 9)).line)
  expect(places.locate(at('e', 1))).toBeUndefined()
})

test('without an order a position is only the same as itself, whatever the order of its fields', () => {
  const one = { chain: 'c', value: { file: 'bin.1', offset: '4' } }
  const places = placesOf([one, at('c', 1)])
  expect(places.of({ chain: 'c', value: { offset: '4', file: 'bin.1' } })).toEqual(places.of(one))
  expect(places.of(one).line).not.toBe(places.of(at('c', 1)).line)
  expect(places.locate(at('c', 2))).toBeUndefined()
  expect(orderOf({})).toBe(equalPositions)
  expect([equalPositions(one, one), equalPositions(one, at('c', 1))]).toEqual([0, undefined])
})

test('positions that compare among themselves share a line, apart from those that they do not compare with', () => {
  const parity: PositionOrder = (a, b) => (Number(a.value.number) % 2 === Number(b.value.number) % 2 ? numbered(a, b) : undefined)
  const places = placesOf(
    [5, 2, 1, 4, 3].map((number) => at('c', number)),
    parity,
  )
  const line = (number: number) => places.of(at('c', number)).line
  expect([line(1) === line(3), line(3) === line(5), line(2) === line(4), line(1) === line(2)]).toEqual([true, true, true, false])
  expect([1, 3, 5].map((number) => places.of(at('c', number)).rank)).toEqual([0, 2, 4])
  expect(places.locate(at('c', 6))).toEqual({ line: line(2), rank: 3 })
})

test('what compares with some only shares a line with the same others, however they are listed', () => {
  const near: PositionOrder = (a, b) => (Math.abs(Number(a.value.number) - Number(b.value.number)) <= 2 ? numbered(a, b) : undefined)
  const positions = [1, 2, 3, 4, 5, 6, 7].map((number) => at('c', number))
  const places = (list: typeof positions) => positions.map((position) => placesOf(list, near).of(position))
  for (let turn = 0; turn < positions.length; turn++) {
    expect(places([...positions.slice(turn), ...positions.slice(0, turn)].reverse())).toEqual(places(positions))
  }
})

test('positions that are the same to the order share a place, however they are written', () => {
  const places = placesOf(
    [
      { chain: 'c', value: { number: '7' } },
      { chain: 'c', value: { number: '07' } },
    ],
    numbered,
  )
  expect(places.of({ chain: 'c', value: { number: '07' } })).toEqual(places.of({ chain: 'c', value: { number: '7' } }))
})

test('an order that compares nothing costs no more than equality does', () => {
  let asked = 0
  const nothing: PositionOrder = () => {
    asked++
    return undefined
  }
  placesOf(
    Array.from({ length: 1000 }, (_, number) => at('c', number)),
    nothing,
  )
  expect(asked).toBeLessThan(10_000)
})

test('of positions that are sets, one change lies right before the first set that holds it', () => {
  const setOf = (changes: readonly number[]) => ({ chain: 'c', value: { changes: changes.join(' ') } })
  const changesIn = ({ value: { changes = '' } }: Position) => new Set(changes.split(' '))
  const byContent: PositionOrder = (a, b) => {
    const [one, other] = [changesIn(a), changesIn(b)]
    const [within, around] = [[...one].every((change) => other.has(change)), [...other].every((change) => one.has(change))]
    return within && around ? 0 : within ? -1 : around ? 1 : undefined
  }
  const history = fc.uniqueArray(fc.nat({ max: 50 }), { minLength: 1, maxLength: 20 }).chain((changes) =>
    fc.record({
      changes: fc.constant(changes),
      ends: fc.uniqueArray(fc.integer({ min: 1, max: changes.length }), { minLength: 1 }),
    }),
  )
  fc.assert(
    fc.property(history, ({ changes, ends }) => {
      const sets = ends.toSorted((a, b) => a - b).map((end) => setOf(changes.slice(0, end)))
      const places = placesOf(sets, byContent)
      for (const [index, change] of changes.entries()) {
        const first = ends.filter((end) => end <= index).length
        const place = places.locate(setOf([change]))
        if (first === sets.length) expect(place).toBeUndefined()
        else expect(place?.rank).toBe(changesIn(sets[first] as Position).size === 1 ? 2 * first : 2 * first - 1)
      }
    }),
  )
})
