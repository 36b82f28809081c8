import type { ChainLink } from '../chain/chain-link.ts'
import { type PlacedLog, placeKey, type Reach, reachWithin } from '../chain/chain-reach.ts'
import { linksTo } from '../chain/chain-search.ts'
import { coverageOf } from '../chain/clock-passages.ts'
import { type ClockSpan, mergedSpans } from '../chain/clock-spans.ts'
import type { Place } from '../chain/position-places.ts'
import type { RetentionView } from './retention-view.ts'

/** A backup that is kept, and what of it is to stay restorable. */
export interface WantedBackup {
  readonly id: string
  /**
   * Of a log: every state that it can be applied to from this rank on, so that each moment and position in it stays. `undefined`: nothing in
   * this view; `any`: one state is enough, so that its end stays. Left out: every state.
   */
  readonly since?: (view: RetentionView, log: PlacedLog) => number | 'any' | undefined
}

/**
 * Adds what the wanted backups need to stay exactly as restorable as they are, as the planner says of what would be left. Of several ways one
 * is taken; none is added where what is kept already suffices.
 *
 * @param wanted the oldest first: what an older log needs often is all that those after it need
 * @param keep is told of each that was not kept before, and which one needs it
 */
export function addNeeded(
  views: readonly RetentionView[],
  kept: { has(id: string): boolean },
  wanted: readonly WantedBackup[],
  keep: (needed: string, by: string) => void,
): void {
  for (let added = true; added; ) {
    added = false
    for (const view of views) {
      const left = reachWithin(view.reach, kept)
      const ends = new Map<string, number>()
      for (const want of wanted) {
        const log = view.logs.get(want.id)
        // What follows one to which something was added may need nothing more: the next round shows it.
        const end = log && ends.get(log.from.line)
        if (end !== undefined && log !== undefined && log.from.rank <= end) {
          ends.set(log.to.line, Math.max(log.to.rank, ends.get(log.to.line) ?? log.to.rank))
          continue
        }
        const news = missing(view, left, want).filter(({ id }) => !kept.has(id))
        for (const { id } of news) if (!kept.has(id)) keep(id, want.id)
        if (news.length === 0) continue
        added = true
        if (log !== undefined) ends.set(log.to.line, log.to.rank)
      }
    }
  }
}

/** What leads to something that is wanted and that what is left does not reach; empty when it reaches everything. */
function missing(view: RetentionView, left: Reach, { id, since }: WantedBackup): readonly ChainLink[] {
  const link = view.links.get(id)
  if (link === undefined || link.kind === 'full') return []
  if (link.kind === 'differential') {
    const base = view.reach.baseOf(link)
    return base === undefined || left.baseOf(link) !== undefined ? [] : [base]
  }
  const log = view.logs.get(id)
  const from = log && (since === undefined ? Number.NEGATIVE_INFINITY : since(view, log))
  if (log === undefined || from === undefined) return []
  const earliest = left.entryOf(log)
  if (from === 'any' && earliest !== undefined) return []
  const entries = view.reach.entriesOf(log).filter(({ line, rank }) => from === 'any' || line !== log.to.line || rank >= from)
  const [first] = entries
  if (first === undefined) return []
  if (earliest === undefined || earliest.rank > first.rank) return routeTo(view.reach, first)
  if (holdsAll(left, view.reach, log, entries)) return []
  const lost = entries.filter((place) => !left.isState(place))
  if (lost.length > 0) return lost.flatMap((place) => routeTo(view.reach, place))
  return entries.flatMap((place) => view.endingAt.get(placeKey(place)) ?? []).flatMap((ending) => linksTo(view.reach, ending) ?? [])
}

/** Whether every moment within the log that these states give is still given by what is left. */
function holdsAll(left: Reach, all: Reach, log: PlacedLog, entries: readonly Place[]): boolean {
  if (entries.every((place) => sameMoments(left.momentsAt(place), all.momentsAt(place)))) return true
  const there = stretches(left, log, left.entriesOf(log))
  return [...stretches(all, log, entries)].every(([stretch, spans]) =>
    spans.every(({ from, to }) => there.get(stretch)?.some((span) => span.from <= from && to <= span.to) ?? false),
  )
}

function sameMoments(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length
}

/** The clock within a log: a moment that a clock shows twice is two moments. */
function stretches(reach: Reach, log: PlacedLog, entries: readonly Place[]): Map<number, ClockSpan[]> {
  const all = entries.flatMap((entry) => coverageOf(log, entry, reach.momentsAt(entry)))
  return new Map(
    [...Map.groupBy(all, ({ stretch }) => stretch)].map(([stretch, list]) => [stretch, mergedSpans(list.map(({ span }) => span))]),
  )
}

function routeTo(reach: Reach, { line, rank }: Place): ChainLink[] {
  return reach.route(line, rank, rank + 1)
}
