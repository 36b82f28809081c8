import type { ChainHistory } from './chain-history.ts'
import { type ChainLink, linksOf } from './chain-link.ts'
import { equalPositions } from './position-order.ts'
import { type Place, type Places, placesOf } from './position-places.ts'

/** A log between two places. One whose end cannot be compared with its beginning can only be applied to a state exactly at the beginning. */
export interface PlacedLog {
  readonly link: ChainLink
  readonly from: Place
  readonly to: Place
}

/** Where a restore can begin on a line: a full, with its differential or without, or a log that comes from another line. */
interface Seed {
  readonly rank: number
  readonly level: number
  readonly base?: readonly ChainLink[]
  readonly via?: PlacedLog
}

interface Line {
  /** In the order of their rank. */
  seeds: Seed[]
  /** Whole logs within the line, in the order of their end. */
  readonly logs: PlacedLog[]
  /** Ranks of the states that a restore can be in between two backups, ascending. */
  states: number[]
}

/** Which states can be restored from the backups there are, and how. */
export interface Reach {
  readonly links: readonly ChainLink[]
  readonly places: Places
  /** Every log with two positions that does not end before it begins, whether it can be applied or not. */
  readonly logs: readonly PlacedLog[]
  /** The full that a differential needs, where it is there. */
  baseOf(differential: ChainLink): ChainLink | undefined
  /** The states of a line, ascending. */
  statesOf(line: string): readonly number[]
  isState(place: Place): boolean
  /** The states that a log can be applied to, the earliest first. */
  entriesOf(log: PlacedLog): Place[]
  /** The earliest of them. */
  entryOf(log: PlacedLog): Place | undefined
  /** When the state was, by the whole backups that end there. */
  momentsAt(place: Place): readonly number[]
  /** The backups that bring up some state from rank `low` to before `high`, by the newest full: the caller knows that there is one. */
  route(line: string, low: number, high: number): ChainLink[]
  /** Ranks of fulls and differentials from `low` to before `high`, the newest first. */
  basesWithin(line: string, low: number, high: number): number[]
}

export function reachOf(history: ChainHistory): Reach {
  const links = linksOf(history)
  const positions = links.flatMap(({ from, to }) => [...(from === undefined ? [] : [from]), ...(to === undefined ? [] : [to])])
  const places = placesOf(positions, history.order ?? equalPositions)
  return new ReachSearch(links, places)
}

/** What is left of it when only these backups are kept, with the same places. */
export function reachWithin(reach: Reach, kept: { has(id: string): boolean }): Reach {
  return new ReachSearch(
    reach.links.filter(({ id }) => kept.has(id)),
    reach.places,
  )
}

export function placeKey({ line, rank }: Place): string {
  return `${rank} ${line}`
}

/** A log in which nothing happened: it only says that a state lasted longer. */
export function isStill({ from, to }: PlacedLog): boolean {
  return from.line === to.line && from.rank === to.rank
}

/** Whether it can be applied to any state between its beginning and its end. */
export function isSpan({ from, to }: PlacedLog): boolean {
  return from.line === to.line && from.rank < to.rank
}

class ReachSearch implements Reach {
  readonly links: readonly ChainLink[]
  readonly places: Places
  readonly logs: readonly PlacedLog[]
  readonly #lines = new Map<string, Line>()
  readonly #fulls = new Map<string, ChainLink>()
  readonly #moments = new Map<string, number[]>()
  readonly #reached = new Set<string>()
  /** By how many changes of line a log within a line is first reached. */
  readonly #logLevels = new Map<PlacedLog, number>()

  constructor(links: readonly ChainLink[], places: Places) {
    this.links = links
    this.places = places
    this.logs = links.flatMap((link) => {
      if (link.kind !== 'log' || link.from === undefined || link.to === undefined) return []
      const [from, to] = [places.of(link.from), places.of(link.to)]
      return from.line === to.line && from.rank > to.rank ? [] : [{ link, from, to }]
    })
    for (const link of links)
      if (link.kind === 'full' && link.whole && link.to !== undefined) this.#fulls.set(placeKey(places.of(link.to)), link)
    this.#search()
    this.#noteMoments()
  }

  baseOf({ from }: ChainLink): ChainLink | undefined {
    return from && this.#fulls.get(placeKey(this.places.of(from)))
  }

  statesOf(line: string): readonly number[] {
    return this.#lines.get(line)?.states ?? []
  }

  isState({ line, rank }: Place): boolean {
    const states = this.statesOf(line)
    return states[firstAtLeast(states, rank)] === rank
  }

  entryOf(log: PlacedLog): Place | undefined {
    const states = this.statesOf(log.from.line)
    const rank = states[firstAtLeast(states, log.from.rank)]
    if (rank === undefined) return undefined
    return rank === log.from.rank || (isSpan(log) && rank < log.to.rank) ? { line: log.from.line, rank } : undefined
  }

  entriesOf(log: PlacedLog): Place[] {
    const first = this.entryOf(log)
    if (first === undefined || !isSpan(log)) return first === undefined ? [] : [first]
    const states = this.statesOf(first.line)
    const [begin, end] = [firstAtLeast(states, first.rank), firstAtLeast(states, log.to.rank)]
    return states.slice(begin, end).map((rank) => ({ line: first.line, rank }))
  }

  momentsAt(place: Place): readonly number[] {
    return this.#moments.get(placeKey(place)) ?? []
  }

  basesWithin(line: string, low: number, high: number): number[] {
    const seeds = this.#lines.get(line)?.seeds ?? []
    return seeds.flatMap(({ rank, base }) => (base !== undefined && rank >= low && rank < high ? [rank] : [])).reverse()
  }

  route(line: string, low: number, high: number): ChainLink[] {
    const backwards: ChainLink[] = []
    let need = { line, low, high }
    // What was reached by fewer changes of line never needs what was reached by more: so this ends, whatever the positions say.
    let below = Number.POSITIVE_INFINITY
    for (;;) {
      const { seeds, logs } = this.#line(need.line)
      const { low: least, high: most } = need
      const seed = seeds.findLast(({ rank, level }) => rank >= least && rank < most && level < below)
      if (seed?.base !== undefined) return [...seed.base, ...backwards.reverse()]
      if (seed?.via !== undefined) {
        backwards.push(seed.via.link)
        need = { line: seed.via.from.line, low: seed.via.from.rank, high: seed.via.from.rank + 1 }
        below = seed.level
        continue
      }
      let widest: PlacedLog | undefined
      for (let at = firstAtLeast(logs, least, endOf); at < logs.length; at++) {
        const log = logs[at] as PlacedLog
        if (log.to.rank >= most) break
        if ((this.#logLevels.get(log) ?? below) >= below) continue
        if (widest === undefined || log.from.rank <= widest.from.rank) widest = log
      }
      if (widest === undefined) throw new TypeError(`no backup ends from ${least} to ${most} on ${need.line}`)
      backwards.push(widest.link)
      need = { line: need.line, low: widest.from.rank, high: widest.to.rank }
    }
  }

  #line(name: string): Line {
    const line = this.#lines.get(name) ?? { seeds: [], logs: [], states: [] }
    this.#lines.set(name, line)
    return line
  }

  #search(): void {
    const crossings = new Map<string, PlacedLog[]>()
    for (const log of this.logs) {
      if (!log.link.whole || isStill(log)) continue
      if (isSpan(log)) this.#line(log.to.line).logs.push(log)
      else if (log.from.line !== log.to.line) crossings.set(placeKey(log.from), [...(crossings.get(placeKey(log.from)) ?? []), log])
    }
    for (const { logs } of this.#lines.values()) logs.sort((a, b) => a.to.rank - b.to.rank)
    let touched = new Set<string>()
    for (const link of this.links) {
      const base = link.whole ? this.#baseLinks(link) : undefined
      if (base === undefined || link.to === undefined) continue
      const place = this.places.of(link.to)
      this.#seed(place, { rank: place.rank, level: 0, base })
      touched.add(place.line)
    }
    for (let level = 0; touched.size > 0; level++) {
      const fresh = [...touched].sort().flatMap((line) => this.#sweep(line, level))
      touched = new Set()
      for (const place of fresh) {
        for (const log of crossings.get(placeKey(place)) ?? []) {
          if (this.#reached.has(placeKey(log.to))) continue
          this.#reached.add(placeKey(log.to))
          this.#seed(log.to, { rank: log.to.rank, level: level + 1, via: log })
          touched.add(log.to.line)
        }
      }
    }
  }

  /** What brings up a full or differential by itself. */
  #baseLinks(link: ChainLink): readonly ChainLink[] | undefined {
    if (link.kind === 'full') return [link]
    const full = link.kind === 'differential' ? this.baseOf(link) : undefined
    return full && [full, link]
  }

  /** One seed a place: the one that takes fewest backups, then the newest. */
  #seed(place: Place, seed: Seed): void {
    const { seeds } = this.#line(place.line)
    const at = firstAtLeast(seeds, seed.rank, ({ rank }) => rank)
    const there = seeds[at]
    if (there?.rank !== seed.rank) seeds.splice(at, 0, seed)
    else if (there.base === undefined || (seed.base?.length ?? 3) <= there.base.length) seeds[at] = seed
  }

  /** Finds the states of a line, and gives those that are new. */
  #sweep(name: string, level: number): Place[] {
    const line = this.#line(name)
    const states: number[] = []
    const add = (rank: number) => {
      if (states.at(-1) !== rank) states.push(rank)
    }
    let nextSeed = 0
    for (const log of line.logs) {
      for (let seed = line.seeds[nextSeed]; seed !== undefined && seed.rank <= log.to.rank; seed = line.seeds[++nextSeed]) add(seed.rank)
      const before = states.at(-1) === log.to.rank ? states.at(-2) : states.at(-1)
      if (before === undefined || before < log.from.rank) continue
      if (!this.#logLevels.has(log)) this.#logLevels.set(log, level)
      add(log.to.rank)
    }
    for (const seed of line.seeds.slice(nextSeed)) add(seed.rank)
    const known = new Set(line.states)
    line.states = states
    const fresh = states.filter((rank) => !known.has(rank)).map((rank) => ({ line: name, rank }))
    for (const place of fresh) this.#reached.add(placeKey(place))
    return fresh
  }

  #noteMoments(): void {
    const note = (place: Place, at: number) => {
      const key = placeKey(place)
      this.#moments.set(key, [...(this.#moments.get(key) ?? []), at])
    }
    for (const link of this.links) {
      if (link.whole && link.to !== undefined && this.#baseLinks(link) !== undefined) note(this.places.of(link.to), link.at)
    }
    for (const log of this.logs) if (log.link.whole && this.entryOf(log) !== undefined) note(log.to, log.link.at)
  }
}

function endOf(log: PlacedLog): number {
  return log.to.rank
}

/** The index of the first that is not less, in an ascending list. */
function firstAtLeast<Element>(
  list: readonly Element[],
  least: number,
  of: (element: Element) => number = (element) => element as number,
): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (of(list[middle] as Element) < least) low = middle + 1
    else high = middle
  }
  return low
}
