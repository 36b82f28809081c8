import type { Position, PositionOrder } from '../contracts/index.ts'
import { equalPositions, positionKey } from './position-order.ts'

/**
 * A position as a number on a line. Numbers of one line compare; places on two lines are the same or unknown to each other. Positions of a
 * chain that its order can compare share a line.
 */
export interface Place {
  readonly line: string
  /** Even for positions that were given, odd between them. */
  readonly rank: number
}

export interface Places {
  /** Of a position that was given when the places were made. */
  of(position: Position): Place
  /**
   * Of any position; `undefined` when it cannot be told. One that does not compare with the earlier ones of a line, as one transaction with
   * the set of those before it, lies before the first of which it is said to be a part.
   */
  locate(position: Position): Place | undefined
}

/** An order that compares this little is no order: what is left over is known by equality only, so that the work stays small. */
const mostLines = 8

interface Line {
  readonly name: string
  readonly sorted: Position[]
}

/** Asks the order about positions of one chain only, and about each no more often than the logarithm of their number. */
export function placesOf(positions: readonly Position[], order: PositionOrder = equalPositions): Places {
  const keys = new Map<Position, string>()
  for (const position of positions) if (!keys.has(position)) keys.set(position, positionKey(position))
  const given = new Map([...keys].map(([position, key]) => [key, position]))
  const lines = new Map<string, Line[]>()
  const found = new Map<string, { readonly line: Line; readonly among: Position }>()
  // In the order of their text, so that what cannot be compared does not depend on how backups were listed.
  for (const [key, position] of [...given].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const ofChain = lines.get(position.chain) ?? []
    lines.set(position.chain, ofChain)
    const match = order === equalPositions ? undefined : firstMatch(ofChain, position, order)
    if (match === undefined) {
      const line = { name: JSON.stringify([position.chain, key]), sorted: [position] }
      if (ofChain.length < mostLines) ofChain.push(line)
      found.set(key, { line, among: position })
    } else {
      if (!match.same) match.line.sorted.splice(match.index, 0, position)
      found.set(key, { line: match.line, among: match.line.sorted[match.index] as Position })
    }
  }
  const ranks = new Map<Position, number>()
  for (const line of new Set([...found.values()].map((one) => one.line))) {
    for (const [index, position] of line.sorted.entries()) ranks.set(position, 2 * index)
  }
  const places = new Map([...found].map(([key, { line, among }]) => [key, { line: line.name, rank: ranks.get(among) as number }]))
  const byPosition = new Map([...keys].map(([position, key]) => [position, places.get(key) as Place]))
  return {
    of: (position) => byPosition.get(position) ?? (places.get(positionKey(position)) as Place),
    locate(position) {
      const exact = places.get(positionKey(position))
      if (exact !== undefined || order === equalPositions) return exact
      const match = firstReached(lines.get(position.chain) ?? [], position, order)
      return match && { line: match.line.name, rank: match.same ? 2 * match.index : 2 * match.index - 1 }
    },
  }
}

interface Match {
  readonly line: Line
  /** Where the position is, or would be put. */
  readonly index: number
  readonly same: boolean
}

function firstMatch(lines: readonly Line[], position: Position, order: PositionOrder): Match | undefined {
  for (const line of lines) {
    const match = search(line, position, order)
    if (match !== undefined) return match
  }
  return undefined
}

function search(line: Line, position: Position, order: PositionOrder): Match | undefined {
  let low = 0
  let high = line.sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    const compared = order(line.sorted[middle] as Position, position)
    if (compared === undefined) return undefined
    if (compared === 0) return { line, index: middle, same: true }
    if (compared < 0) low = middle + 1
    else high = middle
  }
  return { line, index: low, same: false }
}

/** The first position of a line that is not before this one: of one that compares with all of a line, else of one that a later one contains. */
function firstReached(lines: readonly Line[], position: Position, order: PositionOrder): Match | undefined {
  let contained: Match | undefined
  for (const line of lines) {
    const { match, compares } = lowerBound(line, position, order)
    if (compares) return match
    if (match.index < line.sorted.length) contained ??= match
  }
  return contained
}

function lowerBound(line: Line, position: Position, order: PositionOrder): { readonly match: Match; readonly compares: boolean } {
  let compares = true
  let same = false
  let low = 0
  let high = line.sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    const compared = order(line.sorted[middle] as Position, position)
    compares &&= compared !== undefined
    if (compared === 0 || compared === 1) {
      high = middle
      same = compared === 0
    } else low = middle + 1
  }
  return { match: { line, index: low, same }, compares }
}
