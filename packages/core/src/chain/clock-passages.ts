import type { ChainLink } from './chain-link.ts'
import { isStill, type PlacedLog, type Reach } from './chain-reach.ts'
import { type ClockSpan, spanHolds } from './clock-spans.ts'
import type { Place } from './position-places.ts'

/** A stretch of the server's clock that can be restored to by one backup as the last. */
export interface Passage {
  readonly link: ChainLink
  readonly span: ClockSpan
  /** Where the backup ends; `undefined` for one that has no position. */
  readonly place?: Place
  /** The log that the moment lies in, and the earliest state it can be applied to; left out for the moment at which a backup ends. */
  readonly within?: { readonly log: PlacedLog; readonly entry: Place }
}

/** Every moment there is, backup by backup. A clock that was set back makes a moment occur in several. */
export function passagesOf(reach: Reach): Passage[] {
  const bases = reach.links.flatMap((link): Passage[] => {
    if (link.kind === 'log' || (link.kind === 'differential' && reach.baseOf(link) === undefined)) return []
    return [{ link, span: { from: link.at, to: link.at }, ...(link.to === undefined ? {} : { place: reach.places.of(link.to) }) }]
  })
  const logs = reach.logs.flatMap((log): Passage[] => {
    const entry = reach.entryOf(log)
    if (entry === undefined) return []
    const { link, to: place } = log
    return [
      { link, span: { from: link.at, to: link.at }, place },
      ...coverageOf(log, entry, reach.momentsAt(entry)).map((span) => ({ link, span, place, within: { log, entry } })),
    ]
  })
  return [...bases, ...logs]
}

/** What of the clock a log covers when it is applied to a state that was at these moments. */
export function coverageOf(log: PlacedLog, entry: Place, moments: readonly number[]): ClockSpan[] {
  const { covers, at } = log.link
  if (covers === undefined) {
    const begins = moments.filter((moment) => moment <= at)
    return begins.length === 0 ? [] : [{ from: Math.min(...begins), to: at }]
  }
  const spans = covers.map(({ from, to }) => ({ from: Date.parse(from), to: Date.parse(to) })).filter(({ from, to }) => from <= to)
  if (entry.rank === log.from.rank || isStill(log)) return spans
  // The state lies somewhere in the log: in the last stretch at the latest that had its moment, so what follows is certain.
  const rest = moments.flatMap((moment) => {
    const last = spans.findLastIndex((span) => spanHolds(span, moment))
    return last < 0 ? [] : [[{ from: moment, to: (spans[last] as ClockSpan).to }, ...spans.slice(last + 1)]]
  })
  return rest.flat()
}
