import type { Position, TimeSpan } from '../contracts/index.ts'
import { chainOf, chainsNewestFirst, noChain } from './chain-branches.ts'
import type { ChainHistory } from './chain-history.ts'
import { type ChainLink, oldestFirst } from './chain-link.ts'
import { type Reach, reachOf } from './chain-reach.ts'
import { type Passage, passagesOf } from './clock-passages.ts'
import { mergedSpans } from './clock-spans.ts'
import { restorableItems } from './restorable-items.ts'
import { type Stretch, stretchesOf } from './state-stretches.ts'

/** The moment at which a backup ends. */
export interface RestorePoint {
  readonly at: string
  readonly position?: Position
  readonly backup: string
}

/** What can be restored to without a hole. All ends are included. */
export interface RestoreWindow {
  /** Left out for a backup that has no position. */
  readonly chain?: string
  /** `exact`: every position from `from` to `to`, and every moment in `times`. `moment`: that of one backup. */
  readonly kind: 'exact' | 'moment'
  readonly from: RestorePoint
  readonly to: RestorePoint
  /**
   * In order and apart from each other. Usually one, from `from.at` to `to.at`; others where the server's clock was set meanwhile: what it
   * never showed cannot be asked for.
   */
  readonly times: readonly TimeSpan[]
  /** Only these come back here: others failed, or were not asked for when it was made. Left out where nothing is missing. */
  readonly items?: readonly string[]
}

/**
 * The intervals that can be restored to, the newest chain first, each chain in the order of its positions. Exactly the moments for which
 * `planChain` finds backups. Windows in which nothing is missing are apart from each other within a chain; one with `items` may lie in them.
 */
export function restoreWindows(history: ChainHistory): RestoreWindow[] {
  return windowsOf(reachOf(history), history.items)
}

export function windowsOf(reach: Reach, asked: readonly string[] | undefined): RestoreWindow[] {
  const passages = passagesOf(reach)
  const found = [...wholeWindows(reach, passages), ...lesserWindows(reach, passages, asked)]
  return chainsNewestFirst(reach).flatMap((chain) => found.filter((window) => (window.chain ?? noChain) === chain))
}

export function pointOf({ backup, to }: ChainLink): RestorePoint {
  return { at: backup.consistentAt, ...(to === undefined ? {} : { position: to }), backup: backup.id }
}

function wholeWindows(reach: Reach, passages: readonly Passage[]): RestoreWindow[] {
  const stretches = stretchesOf(reach)
  const inside = new Map<Stretch, Passage[]>()
  const alone: Passage[] = []
  for (const passage of passages) {
    if (!passage.link.whole) continue
    const stretch = passage.place && stretches.at(passage.place)
    if (stretch === undefined) alone.push(passage)
    else {
      const there = inside.get(stretch)
      if (there === undefined) inside.set(stretch, [passage])
      else there.push(passage)
    }
  }
  const windows = stretches.all.flatMap((stretch) => {
    const within = inside.get(stretch) ?? []
    const [first, last] = outermost(within)
    return first === undefined || last === undefined ? [] : [windowOf(first, last, within)]
  })
  return [...windows, ...alone.map((passage) => windowOf(passage.link, passage.link, [passage]))]
}

/** Backups in which something is missing: each stands for itself, since nothing is built on it. */
function lesserWindows(reach: Reach, passages: readonly Passage[], asked: readonly string[] | undefined): RestoreWindow[] {
  const byLink = new Map<ChainLink, Passage[]>()
  for (const passage of passages) if (!passage.link.whole) byLink.set(passage.link, [...(byLink.get(passage.link) ?? []), passage])
  return [...byLink].flatMap(([link, own]) => {
    const entry = own.find(({ within }) => within !== undefined)?.within?.entry
    const before = entry === undefined ? [] : reach.route(entry.line, entry.rank, entry.rank + 1)
    const { items } = restorableItems([...before, link], asked)
    return items.length === 0 ? [] : [{ ...windowOf(before.at(-1) ?? link, link, own), items }]
  })
}

/** The backups at both ends of a window: by their places, or where those do not compare, by when they were made. */
function outermost(passages: readonly Passage[]): readonly [ChainLink | undefined, ChainLink | undefined] {
  const own = passages.filter(({ within }) => within === undefined)
  const comparable = new Set(own.map(({ place }) => place?.line)).size === 1
  const sorted = own.toSorted((a, b) => (comparable ? (a.place?.rank ?? 0) - (b.place?.rank ?? 0) : 0) || oldestFirst(a.link, b.link))
  return [sorted[0]?.link, sorted.at(-1)?.link]
}

function windowOf(first: ChainLink, last: ChainLink, passages: readonly Passage[]): RestoreWindow {
  const times = mergedSpans(passages.map(({ span }) => span))
  const chain = chainOf(last)
  const [from, to] = [pointOf(first), pointOf(last)]
  const instant = times.length === 1 && times[0]?.from === times[0]?.to
  return {
    ...(chain === noChain ? {} : { chain }),
    kind: first === last && instant ? 'moment' : 'exact',
    from,
    to,
    times: times.map((span) => ({ from: new Date(span.from).toISOString(), to: new Date(span.to).toISOString() })),
  }
}
