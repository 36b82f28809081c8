import type { ChainHistory } from '../chain/chain-history.ts'
import type { ChainLink } from '../chain/chain-link.ts'
import { type PlacedLog, placeKey, type Reach, reachOf } from '../chain/chain-reach.ts'
import { isUniform, itemGroups } from './item-views.ts'

/** What the chain planner sees when it is asked for a whole job, or for one of its items. */
export interface RetentionView {
  /** Left out for the whole job. */
  readonly items?: readonly string[]
  readonly history: ChainHistory
  readonly reach: Reach
  readonly links: ReadonlyMap<string, ChainLink>
  readonly logs: ReadonlyMap<string, PlacedLog>
  /** Whole backups by the place that they end at. */
  readonly endingAt: ReadonlyMap<string, readonly ChainLink[]>
}

/** The view of the whole job first, then one for each group of items of which the planner may say something else. */
export function viewsOf(history: ChainHistory): [RetentionView, ...RetentionView[]] {
  const backups = history.listings.flatMap((listing) => listing.backups)
  const groups = itemGroups(backups)
  const ofItems = isUniform(backups, groups) ? [] : groups.map((items) => viewOf(history, items))
  return [viewOf(history), ...ofItems]
}

function viewOf(whole: ChainHistory, items?: readonly string[]): RetentionView {
  const history = items === undefined ? whole : { ...whole, items: items.slice(0, 1) }
  const reach = reachOf(history)
  const endingAt = new Map<string, ChainLink[]>()
  for (const link of reach.links) {
    if (!link.whole || link.to === undefined) continue
    const key = placeKey(reach.places.of(link.to))
    endingAt.set(key, [...(endingAt.get(key) ?? []), link])
  }
  return {
    ...(items === undefined ? {} : { items }),
    history,
    reach,
    links: new Map(reach.links.map((link) => [link.id, link])),
    logs: new Map(reach.logs.map((log) => [log.link.id, log])),
    endingAt,
  }
}

/** Whether anything comes back from this backup. */
export function isRestorable({ reach, links, logs, history }: RetentionView, id: string): boolean {
  const link = links.get(id)
  if (link === undefined) return false
  const asked = history.items
  const good = link.backup.items.some(({ item, failure }) => failure === undefined && (asked?.includes(item) ?? true))
  if (link.kind === 'full') return link.whole || good
  if (!link.whole && !good) return false
  if (link.kind === 'differential') return reach.baseOf(link) !== undefined
  const log = logs.get(id)
  return log !== undefined && reach.entryOf(log) !== undefined
}
