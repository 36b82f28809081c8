import type { Position } from '../contracts/index.ts'
import { chainOf } from './chain-branches.ts'
import type { ChainHistory } from './chain-history.ts'
import { type ChainLink, oldestFirst } from './chain-link.ts'
import { isSpan, isStill, placeKey, type Reach, reachOf } from './chain-reach.ts'
import { type ChainRun, chainRuns } from './chain-runs.ts'
import { describePosition } from './position-order.ts'
import { historyName, historyNumber } from './server-histories.ts'

/**
 * `missing`: a backup that others continue is nowhere. `delayed`: it is in another repository, and a copy closes the gap or a part of it. `foreign`: the logs were
 * never ours, since they were purged or backed up by somebody else, and a full began anew. `forked`: the history parted; both sides are named.
 */
export type GapKind = 'missing' | 'delayed' | 'foreign' | 'forked'

export interface Gap {
  readonly kind: GapKind
  readonly chain: string
  /** The repository in which it is; left out when it is in all of them together. */
  readonly repository?: string
  /** The last that is there before it, or the other side of a fork. Left out when nothing is. */
  readonly before?: GapSide
  readonly after: GapSide
  /** A sentence with the values. */
  readonly message: string
}

export interface GapSide {
  readonly position: Position
  /** The backup that ends there before a gap, or begins there after it. */
  readonly backup: string
}

/**
 * The gaps in what is backed up, over all repositories together, then what each lacks that another has. Between the last log and a newer full there is
 * none yet: the next log closes it. A partial backup closes none, since nothing is built on it.
 */
export function findGaps(history: ChainHistory): Gap[] {
  const together = gapsOf(reachOf(history))
  if (history.listings.length < 2) return together
  const known = new Set(together.map(sidesOf))
  const open = new Set(together.map(({ after }) => after.backup))
  const apart = history.listings.flatMap((listing) =>
    gapsOf(reachOf({ ...history, listings: [listing] }))
      .filter((gap) => gap.kind !== 'forked' && !known.has(sidesOf(gap)))
      .map((gap) => delayedIn(gap, listing.repository, open.has(gap.after.backup) ? 'some of it' : 'it')),
  )
  return [...together, ...apart]
}

function gapsOf(reach: Reach): Gap[] {
  const runs = chainRuns(reach)
  const gaps = [...runs.values()].flatMap((line) => line.flatMap((run, at) => gapBefore(run, line.slice(0, at))))
  return [...gaps, ...looseGaps(reach), ...baseGaps(reach), ...forks(reach), ...laterHistories(reach)].sort(byPlace)
}

function byPlace(a: Gap, b: Gap): number {
  const [one, other] = [JSON.stringify([a.chain, a.after.backup]), JSON.stringify([b.chain, b.after.backup])]
  return one < other ? -1 : one > other ? 1 : 0
}

function sidesOf({ chain, before, after }: Gap): string {
  return JSON.stringify([chain, before?.backup, after.backup])
}

function delayedIn(gap: Gap, repository: string, there: string): Gap {
  const where = `In the repository ${repository}: ${gap.message.charAt(0).toLowerCase()}${gap.message.slice(1)}`
  return { ...gap, kind: 'delayed', repository, message: `${where} Another repository has ${there}: copy that from there.` }
}

/** Before a run of backups that touch each other, given those before it on its line. */
function gapBefore(run: ChainRun, earlier: readonly ChainRun[]): Gap[] {
  const { firstLog } = run
  if (firstLog === undefined) return []
  const previous = earlier.at(-1)
  if (run.beginsAnew !== undefined) {
    const withLogs = earlier.findLast((other) => other.firstLog !== undefined)
    return withLogs === undefined ? [] : [foreign(endOf(withLogs.last), endOf(run.beginsAnew))]
  }
  // Where older backups were removed, logs may reach back further than the oldest full: that is none.
  if (previous === undefined && run.hasBase) return []
  return [missing(previous && endOf(previous.last), beginOf(firstLog))]
}

/** Logs that begin where nothing ends, of which no line says so: where positions do not compare, and where nothing happened. */
function looseGaps(reach: Reach): Gap[] {
  const still = new Set(reach.logs.filter(isStill).map(({ link }) => link))
  const ends = new Set(
    reach.links.flatMap((link) => (link.whole && link.to !== undefined && !still.has(link) ? [placeKey(reach.places.of(link.to))] : [])),
  )
  return reach.logs.flatMap((log) => {
    const begins = log.link.whole && !isSpan(log) && reach.entryOf(log) === undefined && !ends.has(placeKey(log.from))
    return begins ? [missing(undefined, beginOf(log.link))] : []
  })
}

/** Differentials without their full. */
function baseGaps(reach: Reach): Gap[] {
  return reach.links.flatMap((link) =>
    link.kind === 'differential' && link.from !== undefined && reach.baseOf(link) === undefined ? [withoutBase(link, beginOf(link))] : [],
  )
}

/** Logs that lead from one history into another that began there, where the first went on as well. */
function forks(reach: Reach): Gap[] {
  return reach.logs.flatMap((log): Gap[] => {
    if (log.link.from?.chain === log.link.to?.chain) return []
    const other = reach.logs.find(
      (candidate) =>
        candidate !== log &&
        candidate.from.line === log.from.line &&
        candidate.link.to?.chain !== log.link.to?.chain &&
        (isSpan(candidate)
          ? candidate.from.rank <= log.from.rank && log.from.rank < candidate.to.rank
          : candidate.from.rank === log.from.rank),
    )
    return other === undefined ? [] : [forked(log.link, beginOf(other.link), beginOf(log.link))]
  })
}

/** A server that went back in its own history: its later one begins with a full, and where they parted is not known. */
function laterHistories(reach: Reach): Gap[] {
  const byChain = Map.groupBy(reach.links.filter(({ to }) => to !== undefined).toSorted(oldestFirst), chainOf)
  return [...byChain].flatMap(([chain, links]): Gap[] => {
    const [, identity] = /^(.*)~\d+$/s.exec(chain) ?? []
    const number = identity === undefined ? undefined : historyNumber(chain, identity)
    if (identity === undefined || number === undefined) return []
    const last = byChain.get(historyName(identity, number - 1))?.at(-1)
    const [first] = links
    return last === undefined || first === undefined ? [] : [forked(first, endOf(last), endOf(first))]
  })
}

function endOf({ id, to }: ChainLink): GapSide {
  return { position: to as Position, backup: id }
}

function beginOf({ id, from }: ChainLink): GapSide {
  return { position: from as Position, backup: id }
}

function missing(before: GapSide | undefined, after: GapSide): Gap {
  const ends =
    before === undefined
      ? 'no backup that is there leads up to it'
      : `what is there before it, ${before.backup}, ends at ${describePosition(before.position)}`
  const message = `Backup ${after.backup} begins at ${describePosition(after.position)}, and ${ends}.`
  return { kind: 'missing', chain: after.position.chain, ...(before === undefined ? {} : { before }), after, message }
}

function withoutBase(link: ChainLink, after: GapSide): Gap {
  const message = `The differential backup ${link.id} needs the full backup at ${describePosition(after.position)}, and that is not there.`
  return { kind: 'missing', chain: after.position.chain, after, message }
}

function foreign(before: GapSide, after: GapSide): Gap {
  const message = `No log was backed up from ${describePosition(before.position)}, where ${before.backup} ends, to ${describePosition(after.position)}, where ${after.backup} began anew: it was purged on the server, or backed up by somebody else.`
  return { kind: 'foreign', chain: after.position.chain, before, after, message }
}

function forked(link: ChainLink, before: GapSide, after: GapSide): Gap {
  const message = `The history parted: ${before.position.chain} goes on with backup ${before.backup} at ${describePosition(before.position)}, ${chainOf(link)} with backup ${after.backup} at ${describePosition(after.position)}.`
  return { kind: 'forked', chain: chainOf(link), before, after, message }
}
