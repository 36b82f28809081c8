import type { ChainLink } from './chain-link.ts'
import { isSpan, type Reach } from './chain-reach.ts'

/** Whole backups of a line that touch or overlap each other, with nothing in between. */
export interface ChainRun {
  /** The first of its logs; left out for a full or differential by itself. */
  readonly firstLog?: ChainLink
  /** What ends where it ends. */
  readonly last: ChainLink
  /** The full or differential, or the log of another line, that ends where it begins: nothing before is needed. */
  readonly beginsAnew?: ChainLink
  /** A restore can begin somewhere in it. */
  readonly hasBase: boolean
}

interface Piece {
  readonly link: ChainLink
  readonly low: number
  readonly high: number
}

/** By line, each in the order of its positions. */
export function chainRuns(reach: Reach): Map<string, ChainRun[]> {
  const pieces = new Map<string, Piece[]>()
  const add = (line: string, piece: Piece) => {
    const there = pieces.get(line)
    if (there === undefined) pieces.set(line, [piece])
    else there.push(piece)
  }
  for (const link of reach.links) {
    if (!link.whole || link.to === undefined || link.kind === 'log') continue
    if (link.kind === 'differential' && reach.baseOf(link) === undefined) continue
    const { line, rank } = reach.places.of(link.to)
    add(line, { link, low: rank, high: rank })
  }
  for (const log of reach.logs) {
    if (!log.link.whole) continue
    if (isSpan(log)) add(log.from.line, { link: log.link, low: log.from.rank, high: log.to.rank })
    else if (log.from.line !== log.to.line) add(log.to.line, { link: log.link, low: log.to.rank, high: log.to.rank })
  }
  return new Map([...pieces].map(([line, list]) => [line, runsOf(list)]))
}

function runsOf(pieces: readonly Piece[]): ChainRun[] {
  const runs: Piece[][] = []
  let high = Number.NEGATIVE_INFINITY
  for (const piece of pieces.toSorted((a, b) => a.low - b.low || a.high - b.high)) {
    if (piece.low <= high) runs.at(-1)?.push(piece)
    else runs.push([piece])
    high = Math.max(high, piece.high)
  }
  return runs.map(runOf)
}

function runOf(pieces: readonly Piece[]): ChainRun {
  const [first] = pieces as readonly [Piece, ...Piece[]]
  const firstLog = pieces.find(({ low, high }) => low < high)?.link
  const beginsAnew = pieces.find(({ low, high }) => low === first.low && high === low)?.link
  return {
    last: pieces.reduce((last, piece) => (piece.high > last.high ? piece : last)).link,
    hasBase: pieces.some(({ low, high }) => low === high),
    ...(firstLog === undefined ? {} : { firstLog }),
    ...(beginsAnew === undefined ? {} : { beginsAnew }),
  }
}
