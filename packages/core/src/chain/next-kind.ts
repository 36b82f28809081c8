import type { CaptureKind, Position, PositionOrder } from '../contracts/index.ts'
import { chainOf } from './chain-branches.ts'
import type { ChainHistory } from './chain-history.ts'
import { type ChainLink, linksOf, oldestFirst } from './chain-link.ts'
import { reachOf } from './chain-reach.ts'
import { describePosition, equalPositions } from './position-order.ts'
import {
  chainChanged,
  foreignFull,
  historyBroken,
  lastIncomplete,
  logsPurged,
  noFull,
  noLogs,
  notComparable,
  type PromotionReason,
  positionAhead,
} from './promotion-reasons.ts'
import { historyName, newestHistory } from './server-histories.ts'

/** What a server says of itself now. Positions carry its identity as their chain, whichever of its histories it is in. */
export interface ServerState {
  /** Identity and timeline as the server knows them: it changes with the server, a reset, a fork that the server itself notices. */
  readonly chain: string
  /** Where it is now. */
  readonly position?: Position
  /** Everything after it is still in the server's logs. Left out when it keeps no logs that could be backed up. */
  readonly oldest?: Position
  /** The full that its differentials build on now. Left out where that is not for the server to say: then it is the newest of ours. */
  readonly differentialBase?: Position
  /** Why its logs do not continue what was backed up, though its identity is the same, as the agent found out; a clause such as `the binlog mysql-bin.000012 has another beginning`. */
  readonly broken?: string
}

export interface NextKindRequest {
  readonly kind: CaptureKind
  /**
   * Of this job; those that nothing can be built on may be among them. Only what the first repository lists is continued, since it must be able to
   * restore by itself; the others tell which histories there were.
   */
  readonly history: ChainHistory
  readonly server: ServerState
}

/** What is captured next. */
export interface NextCapture {
  readonly kind: CaptureKind
  /** What the positions of the new backup carry as their chain. */
  readonly chain: string
  /** What it continues, with the chain as it was stored; of a full, nothing. */
  readonly from?: Position
  /** The id of the backup that ends there. */
  readonly follows?: string
  /** Why it is a full, where another kind was wanted. */
  readonly reason?: PromotionReason
  /** What will not be restorable although nothing forces a full, as a sentence. */
  readonly warning?: string
}

/**
 * What may follow now. A log or differential continues only what a restore can use: a backup that leads to nothing restorable is never continued,
 * and logs go on where logs ended, so that a full in between leaves no gap, for as long as the server has them.
 */
export function nextKind({ kind, history, server }: NextKindRequest): NextCapture {
  const order = history.order
  const links = linksOf(history)
  const number = newestHistory(links.map(chainOf), server.chain)
  const chain = historyName(server.chain, number)
  const own = links.filter((link) => chainOf(link) === chain)
  const fork = forkReason(own, server, chain, order)
  if (fork !== undefined) {
    const name = historyName(server.chain, number + 1)
    return { kind: 'full', chain: name, ...(kind === 'full' ? {} : { reason: fork }) }
  }
  if (kind === 'full') return { kind, chain }
  const reach = reachOf({ ...history, listings: history.listings.slice(0, 1) })
  const compare = order ?? equalPositions
  const full = (reason: PromotionReason): NextCapture => ({ kind: 'full', chain, reason })
  const here = reach.links.filter((link) => chainOf(link) === chain)
  const fulls = here.filter((link) => link.kind === 'full' && link.whole && link.to !== undefined)
  const usable = here.filter((link) => link.whole && link.to !== undefined && reach.isState(reach.places.of(link.to)))
  if (kind === 'differential' ? fulls.length === 0 : usable.length === 0) return full(withoutFull(reach.links, here, chain))
  return kind === 'differential' ? nextDifferential(fulls, server, chain, compare, full) : nextLog(usable, server, chain, compare, full)
}

/** Whether the same identity has another history now than the one that was backed up. */
function forkReason(
  own: readonly ChainLink[],
  server: ServerState,
  chain: string,
  order: PositionOrder | undefined,
): PromotionReason | undefined {
  const last = own.findLast(({ to }) => to !== undefined)
  if (last === undefined) return undefined
  if (server.broken !== undefined) return historyBroken(server.broken)
  if (server.position === undefined || order === undefined) return undefined
  const now = inChain(server.position, chain)
  for (const link of own) {
    if (link.to === undefined) continue
    const compared = order(link.to, now)
    if (compared === 1) return positionAhead(link, server.position)
    if (compared === undefined) return notComparable(link, server.position)
  }
  return undefined
}

function withoutFull(links: readonly ChainLink[], own: readonly ChainLink[], chain: string): PromotionReason {
  const incomplete = own.findLast((link) => link.kind === 'full')
  if (incomplete !== undefined) return lastIncomplete(incomplete)
  const other = links.findLast((link) => link.kind === 'full' && link.whole)
  return own.length > 0 || other === undefined ? noFull() : chainChanged(chainOf(other) || 'one without positions', chain)
}

function nextDifferential(
  fulls: readonly ChainLink[],
  server: ServerState,
  chain: string,
  order: PositionOrder,
  full: (reason: PromotionReason) => NextCapture,
): NextCapture {
  const newest = newestOf(fulls, order)
  const base = server.differentialBase === undefined ? undefined : inChain(server.differentialBase, chain)
  const link = base === undefined ? newest : fulls.findLast(({ to }) => to !== undefined && order(to, base) === 0)
  if (link?.to === undefined) return full(foreignFull(base as Position, newest))
  return { kind: 'differential', chain, from: link.to, follows: link.id }
}

function nextLog(
  usable: readonly ChainLink[],
  server: ServerState,
  chain: string,
  order: PositionOrder,
  full: (reason: PromotionReason) => NextCapture,
): NextCapture {
  if (server.oldest === undefined) return full(noLogs())
  const oldest = inChain(server.oldest, chain)
  const last = newestOf(usable, order)
  const available = usable.filter(({ to }) => to !== undefined && isNotBefore(to, oldest, order))
  if (available.length === 0) return full(logsPurged(last, oldest))
  const logs = usable.filter((link) => link.kind === 'log')
  const lastLog = logs.length === 0 ? undefined : newestOf(logs, order)
  const follows = lastLog !== undefined && available.includes(lastLog) ? lastLog : newestOf(available, order)
  const lost = lastLog !== undefined && follows !== lastLog ? lastLog : undefined
  return {
    kind: 'log',
    chain,
    from: follows.to as Position,
    follows: follows.id,
    ...(lost === undefined ? {} : { warning: lostBetween(lost, follows) }),
  }
}

function lostBetween(lost: ChainLink, follows: ChainLink): string {
  return `The logs from ${describePosition(lost.to as Position)}, where backup ${lost.id} ends, are no longer on the server: no moment between it and backup ${follows.id} can be restored.`
}

function isNotBefore(position: Position, oldest: Position, order: PositionOrder): boolean {
  const compared = order(oldest, position)
  return compared === 0 || compared === -1
}

/** By position; where that does not compare, by when it was made. */
function newestOf(links: readonly ChainLink[], order: PositionOrder): ChainLink {
  return links.reduce((newest, link) => {
    const compared = newest.to === undefined || link.to === undefined ? undefined : order(link.to, newest.to)
    return (compared ?? oldestFirst(link, newest)) >= 0 ? link : newest
  })
}

/** As the backups name it. */
function inChain(position: Position, chain: string): Position {
  return { ...position, chain }
}
