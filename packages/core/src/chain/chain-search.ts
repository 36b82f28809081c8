import type { Position, RestoreStop } from '../contracts/index.ts'
import { chainOf, chainsNewestFirst } from './chain-branches.ts'
import { type ChainLink, oldestFirst } from './chain-link.ts'
import { isSpan, isStill, type PlacedLog, type Reach } from './chain-reach.ts'
import { type ChainWarning, clockWarning, forkWarning, olderHistoryWarning } from './chain-warnings.ts'
import { type Passage, passagesOf } from './clock-passages.ts'
import { spanHolds } from './clock-spans.ts'
import type { Place } from './position-places.ts'
import { restorableItems } from './restorable-items.ts'

/** The backups to restore, oldest first, and where the last one stops. */
export interface FoundChain {
  readonly links: readonly ChainLink[]
  readonly stop?: RestoreStop
  readonly warnings: readonly ChainWarning[]
}

type Asked = readonly string[] | undefined

export function searchMoment(reach: Reach, at: string, chain: string | undefined, asked: Asked): FoundChain | undefined {
  const moment = Date.parse(at)
  const holding = passagesOf(reach).filter(({ span, link }) => spanHolds(span, moment) && (chain ?? chainOf(link)) === chainOf(link))
  const usable = holding.filter((passage) => passage.link.whole || yields(linksTo(reach, passage.link), asked))
  const whole = usable.filter(({ link }) => link.whole)
  const candidates = whole.length > 0 ? whole : usable
  const chains = chainsNewestFirst(reach).filter((name) => candidates.some(({ link }) => chainOf(link) === name))
  const inChain = candidates.filter(({ link }) => chainOf(link) === chains[0])
  const last = latestOf(inChain)
  if (last === undefined) return undefined
  const warnings = [...forkWarning(at, chains), ...clockWarning(at, inChain)]
  if (last.within === undefined) return { links: linksToOwn(reach, last), warnings }
  const { log } = last.within
  const entry = cheapestEntry(reach, log, inChain)
  return { links: [...reach.route(entry.line, entry.rank, entry.rank + 1), log.link], stop: { before: at }, warnings }
}

/** The newest full or differential in the log saves what comes before; where none is early enough, the earliest state does. */
function cheapestEntry(reach: Reach, log: PlacedLog, holding: readonly Passage[]): Place {
  const entries = holding.flatMap(({ within }) => (within?.log === log ? [within.entry] : [])).sort((a, b) => a.rank - b.rank)
  const bases = new Set(reach.basesWithin(log.from.line, log.from.rank, log.to.rank))
  return entries.findLast(({ rank }) => bases.has(rank)) ?? (entries[0] as Place)
}

export function searchPosition(reach: Reach, position: Position, asked: Asked): FoundChain | undefined {
  const place = reach.places.locate(position)
  if (place === undefined) return undefined
  if (reach.isState(place)) return { links: reach.route(place.line, place.rank, place.rank + 1), warnings: [] }
  const ways = reach.logs.flatMap((log) => wayInto(reach, log, place)).filter(({ links }) => yields(links, asked))
  const [way] = ways.sort(cheapestFirst)
  if (way !== undefined) {
    const ends = place.rank === way.log.to.rank
    return { links: way.links, ...(ends ? {} : { stop: { position } }), warnings: [] }
  }
  const lesser = reach.links.findLast(
    (link) => !link.whole && link.to !== undefined && samePlace(reach.places.of(link.to), place) && yields(linksTo(reach, link), asked),
  )
  return lesser && { links: linksTo(reach, lesser) ?? [], warnings: [] }
}

/** The log that holds the change, though another backup may end exactly there: what is left out lies in it. */
export function searchBefore(reach: Reach, position: Position, asked: Asked): FoundChain | undefined {
  const place = reach.places.locate(position)
  if (place === undefined) return undefined
  const ways = reach.logs
    .flatMap((log) => [...wayInto(reach, log, place), ...wayToEnd(reach, log, place)])
    .filter(({ links }) => yields(links, asked))
  const [way] = ways.sort(cheapestFirst)
  return way && { links: way.links, stop: { beforePosition: position }, warnings: [] }
}

export function searchBackup(reach: Reach, link: ChainLink, asked: Asked): FoundChain | undefined {
  const links = linksTo(reach, link)
  if (links !== undefined) return yields(links, asked) ? { links, warnings: [] } : undefined
  // It begins where nothing ends, but others may cover the same stretch.
  return link.to !== undefined && link.whole ? searchPosition(reach, link.to, asked) : undefined
}

export function searchLatest(reach: Reach, chain: string | undefined, asked: Asked): FoundChain | undefined {
  const own = passagesOf(reach).filter(({ within, link }) => within === undefined && (link.whole || yields(linksTo(reach, link), asked)))
  const chains = chainsNewestFirst(reach).filter((name) => (chain ?? name) === name)
  for (const whole of [true, false]) {
    for (const name of chains) {
      const last = latestOf(own.filter(({ link }) => link.whole === whole && chainOf(link) === name))
      if (last !== undefined) return { links: linksToOwn(reach, last), warnings: olderHistoryWarning(chains, name) }
    }
  }
  return undefined
}

interface Way {
  readonly log: PlacedLog
  readonly links: readonly ChainLink[]
  /** Of the newest full or differential in the log before the place; less than any where there is none. */
  readonly base: number
}

/** How to get to a place in a log, or at its end. */
function wayInto(reach: Reach, log: PlacedLog, place: Place): Way[] {
  if (log.from.line !== place.line || !isSpan(log) || place.rank <= log.from.rank || place.rank > log.to.rank) return []
  const entry = reach.entryOf(log)
  if (entry === undefined || entry.rank >= place.rank) return []
  const links = [...reach.route(place.line, log.from.rank, place.rank), log.link]
  return [{ log, links, base: reach.basesWithin(place.line, log.from.rank, place.rank)[0] ?? Number.NEGATIVE_INFINITY }]
}

/** How to get into a log that can only be applied to the state at its beginning, whose last change ends at the place. */
function wayToEnd(reach: Reach, log: PlacedLog, place: Place): Way[] {
  if (isSpan(log) || isStill(log) || !samePlace(log.to, place) || reach.entryOf(log) === undefined) return []
  const links = [...reach.route(log.from.line, log.from.rank, log.from.rank + 1), log.link]
  return [{ log, links, base: Number.NEGATIVE_INFINITY }]
}

function cheapestFirst(a: Way, b: Way): number {
  return (
    Number(b.log.link.whole) - Number(a.log.link.whole) ||
    (a.base === b.base ? 0 : b.base - a.base) ||
    a.links.length - b.links.length ||
    a.log.to.rank - b.log.to.rank ||
    oldestFirst(a.log.link, b.log.link)
  )
}

function latestOf(passages: readonly Passage[]): Passage | undefined {
  return passages.reduce<Passage | undefined>((last, next) => (last === undefined || isLater(next, last) ? next : last), undefined)
}

/** By where they begin, or where that does not compare, by when they were made; the end of a backup before what begins there. */
function isLater(a: Passage, b: Passage): boolean {
  const [at, than] = [a.within?.log.from ?? a.place, b.within?.log.from ?? b.place]
  const compared = at !== undefined && at.line === than?.line ? at.rank - than.rank : oldestFirst(a.link, b.link)
  if (compared !== 0) return compared > 0
  return a.within === undefined && b.within !== undefined
}

function samePlace(a: Place, b: Place): boolean {
  return a.line === b.line && a.rank === b.rank
}

function yields(links: readonly ChainLink[] | undefined, asked: Asked): boolean {
  if (links === undefined) return false
  return links.every(({ whole }) => whole) || restorableItems(links, asked).items.length > 0
}

/** What brings up a backup, itself the last. */
export function linksTo(reach: Reach, link: ChainLink): ChainLink[] | undefined {
  if (link.kind === 'full') return [link]
  if (link.kind === 'differential') {
    const base = reach.baseOf(link)
    return base && [base, link]
  }
  const log = reach.logs.find((candidate) => candidate.link === link)
  const entry = log && reach.entryOf(log)
  if (log === undefined || entry === undefined) return undefined
  const before = isSpan(log) ? reach.route(entry.line, entry.rank, log.to.rank) : reach.route(entry.line, entry.rank, entry.rank + 1)
  return [...before, link]
}

/** The cheapest way to the state at the end of a backup. */
function linksToOwn(reach: Reach, { link, place }: Passage): ChainLink[] {
  if (link.whole && place !== undefined) return reach.route(place.line, place.rank, place.rank + 1)
  return linksTo(reach, link) ?? [link]
}
