import type { ChainLink } from './chain-link.ts'
import type { PlacedLog, Reach } from './chain-reach.ts'
import { type ClockSpan, spanHolds } from './clock-spans.ts'
import type { Place } from './position-places.ts'

/** A stretch of the server's clock that can be restored to by one backup as the last. */
export interface Passage {
  readonly link: ChainLink
  readonly span: ClockSpan
  /** Where the backup ends; `undefined` for one that has no position. */
  readonly place?: Place
  /** For a moment inside a log; left out for the moment at which a backup ends. */
  readonly within?: PassageInLog
}

export interface PassageInLog {
  readonly log: PlacedLog
  /** The state that the log is applied to. */
  readonly entry: Place
  /** Which of the stretches of its clock, from 0: the same moment in two of them is two moments. */
  readonly stretch: number
}

/** Every moment there is, backup by backup. A clock that was set back makes a moment occur in several. */
export function passagesOf(reach: Reach): Passage[] {
  const bases = reach.links.flatMap((link): Passage[] => {
    if (link.kind === 'log' || (link.kind === 'differential' && reach.baseOf(link) === undefined)) return []
    return [{ link, span: instant(link), ...(link.to === undefined ? {} : { place: reach.places.of(link.to) }) }]
  })
  const logs = reach.logs.flatMap((log): Passage[] => {
    const entries = reach.entriesOf(log)
    if (entries.length === 0) return []
    const { link, to: place } = log
    const inside = entries.flatMap((entry) =>
      coverageOf(log, entry, reach.momentsAt(entry)).map(({ span, stretch }) => ({ link, span, place, within: { log, entry, stretch } })),
    )
    return [{ link, span: instant(link), place }, ...inside]
  })
  return [...bases, ...logs]
}

function instant({ at }: ChainLink): ClockSpan {
  return { from: at, to: at }
}

export interface Coverage {
  readonly span: ClockSpan
  readonly stretch: number
}

/** What of the clock a log covers when it is applied to a state that was at these moments. */
export function coverageOf({ link, from }: PlacedLog, entry: Place, moments: readonly number[]): Coverage[] {
  const { covers, at } = link
  if (covers === undefined) {
    // The old history may have gone on before the new one began: only the end is certain.
    if (link.from?.chain !== link.to?.chain) return []
    const begins = moments.filter((moment) => moment <= at)
    return begins.length === 0 ? [] : [{ span: { from: Math.min(...begins), to: at }, stretch: 0 }]
  }
  const all = covers
    .map((span, stretch) => ({ span: { from: Date.parse(span.from), to: Date.parse(span.to) }, stretch }))
    .filter(({ span }) => span.from <= span.to)
  if (entry.rank === from.rank) return all
  // The state lies somewhere in the log: in the last stretch at the latest that had its moment, so what follows is certain.
  return moments.flatMap((moment) => {
    const last = all.findLastIndex(({ span }) => spanHolds(span, moment))
    return all.slice(last < 0 ? all.length : last).map(({ span, stretch }, index) => ({
      span: index === 0 ? { from: moment, to: span.to } : span,
      stretch,
    }))
  })
}
