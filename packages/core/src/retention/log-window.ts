import type { ChainLink } from '../chain/chain-link.ts'
import { isStill, type PlacedLog } from '../chain/chain-reach.ts'
import type { WantedBackup } from './needed-backups.ts'
import type { RetentionView } from './retention-view.ts'

/** From where on logs are kept that have no rules of their own: from the oldest full backup that is kept. */
export interface LogWindow {
  /** `undefined` where no full is kept: then nothing says which logs are old. */
  readonly oldest?: ChainLink
  holds(log: ChainLink): boolean
  /** What of a log is to stay: what lies behind the oldest full of its line that is kept, and holds the item of the view. */
  readonly since: NonNullable<WantedBackup['since']>
}

/**
 * On a line of positions with such a full, by the positions; elsewhere, such as on another history of the server, by when the runs began.
 *
 * @param whole the view of the whole job
 * @param kept full backups
 */
export function logWindowOf(whole: RetentionView, kept: readonly ChainLink[]): LogWindow {
  const wholeFulls = kept.filter((link) => link.whole)
  const begin = beginsOf(whole, wholeFulls.length > 0 ? wholeFulls : kept)
  const oldest = oldestOf(begin.fulls)
  const inItems = new Map<RetentionView, Begins>()
  const beginsIn = (view: RetentionView): Begins => {
    if (view === whole) return begin
    const known = inItems.get(view)
    if (known !== undefined) return known
    // Places of two views are not the same, but what lies behind the beginning is.
    const fulls = kept.filter(({ id }) => view.links.get(id)?.whole === true && isBehind(begin, whole, id))
    const found = beginsOf(
      view,
      fulls.map(({ id }) => view.links.get(id) as ChainLink),
    )
    inItems.set(view, found)
    return found
  }
  const holds = (begins: Begins, log: PlacedLog | undefined, link: ChainLink): boolean => {
    const rank = log && begins.ranks.get(log.to.line)
    if (log === undefined || rank === undefined) return begins.time === undefined || beganAt(link) >= begins.time
    return log.to.rank > rank || (log.to.rank === rank && isStill(log))
  }
  return {
    ...(oldest === undefined ? {} : { oldest }),
    holds: (link) => holds(begin, whole.logs.get(link.id), link),
    since(view, log) {
      const begins = beginsIn(view)
      if (begins.time === undefined || !holds(begins, log, log.link)) return undefined
      return log.from.line === log.to.line ? (begins.ranks.get(log.to.line) ?? Number.NEGATIVE_INFINITY) : Number.NEGATIVE_INFINITY
    },
  }
}

export function beganAt({ backup }: ChainLink): number {
  return Date.parse(backup.beganAt)
}

interface Begins {
  readonly fulls: readonly ChainLink[]
  /** Of the earliest of them on each line. */
  readonly ranks: ReadonlyMap<string, number>
  /** When the run of the oldest began; `undefined` where there is none. */
  readonly time: number | undefined
}

function beginsOf({ reach }: RetentionView, fulls: readonly ChainLink[]): Begins {
  const ranks = new Map<string, number>()
  for (const { to } of fulls) {
    if (to === undefined) continue
    const { line, rank } = reach.places.of(to)
    ranks.set(line, Math.min(rank, ranks.get(line) ?? Number.POSITIVE_INFINITY))
  }
  const oldest = oldestOf(fulls)
  return { fulls, ranks, time: oldest && beganAt(oldest) }
}

function oldestOf(fulls: readonly ChainLink[]): ChainLink | undefined {
  return fulls.reduce<ChainLink | undefined>(
    (oldest, link) => (oldest === undefined || beganAt(link) < beganAt(oldest) ? link : oldest),
    undefined,
  )
}

function isBehind(begins: Begins, view: RetentionView, id: string): boolean {
  const link = view.links.get(id)
  if (link === undefined) return false
  const place = link.to && view.reach.places.of(link.to)
  const rank = place && begins.ranks.get(place.line)
  if (place === undefined || rank === undefined) return begins.time === undefined || beganAt(link) >= begins.time
  return place.rank >= rank
}
