import type { ChainLink } from '../chain/chain-link.ts'
import { reachWithin } from '../chain/chain-reach.ts'
import { planWithin } from '../chain/plan-chain.ts'
import { beganAt } from './log-window.ts'
import type { RetentionReason } from './retention-reasons.ts'
import type { RetentionView } from './retention-view.ts'

/**
 * How long the last backup of an item stays after the first complete full without it, in milliseconds: 30 days, in which somebody misses what was dropped
 * by accident. Counted up to the newest backup, so that time alone ends no grace.
 */
export const goneItemGrace = 30 * 86_400_000

/** Items that were backed up and that newer full backups lack, such as of a database that was dropped. */
export interface GoneItems {
  readonly items: readonly string[]
  /** The first complete full without them. */
  readonly without: ChainLink
  /** What brings them back as they were before it, the last of it at the end; never empty. */
  readonly chain: readonly string[]
  readonly last: string
  /** When their grace ends, in milliseconds. */
  readonly until: number
}

/**
 * Of each item that newer complete fulls lack, the first of these. An item that is not in it is still backed up: the newest complete full has it, or a newer
 * one names it, even as failed.
 */
export function firstFullsWithout(fullsNewestFirst: readonly ChainLink[]): Map<string, ChainLink> {
  const met = new Set<string>()
  const without = new Map<string, ChainLink>()
  let lacking: ChainLink | undefined
  for (const link of fullsNewestFirst) {
    for (const { item } of link.backup.items) {
      if (!met.has(item) && lacking !== undefined) without.set(item, lacking)
      met.add(item)
    }
    if (link.whole) lacking = link
  }
  return without
}

/** What of these items can still be restored, one entry for those that have the same history. */
export function goneItemsOf(views: readonly RetentionView[], without: ReadonlyMap<string, ChainLink>): GoneItems[] {
  return views.flatMap((view): GoneItems[] => {
    const [item] = view.items ?? []
    const first = item === undefined ? undefined : without.get(item)
    if (view.items === undefined || first === undefined) return []
    const gone = beganAt(first)
    // Logs go on after the item is gone, and would bring back a state without it.
    const before = new Set(view.reach.links.filter((link) => beganAt(link) < gone).map(({ id }) => id))
    const plan = planWithin(reachWithin(view.reach, before), view.history, { latest: true })
    const chain = plan.possible ? plan.backups.map(({ id }) => id) : []
    const last = chain.at(-1)
    return last === undefined ? [] : [{ items: view.items, without: first, chain, last, until: gone + goneItemGrace }]
  })
}

/** When the newest full or differential began that did not begin after now: the rules always keep it. */
export function newestBegin(links: readonly ChainLink[], now: number): number {
  const begins = links.filter(({ kind }) => kind !== 'log').map(beganAt)
  return Math.max(...begins.filter((began) => began <= now))
}

export function heldReason({ items, without, until }: GoneItems): RetentionReason {
  const message = `the last that brings back ${namesOf(items)}, which full backups lack since ${without.id}; it stays until there is a backup of ${timeText(until)}`
  return { code: 'gone-item', message, backup: without.id }
}

export function firstWithoutReason({ items, last, until }: GoneItems): RetentionReason {
  return {
    code: 'first-without-item',
    message: `the first without ${namesOf(items)}, from which on ${last} stays until ${timeText(until)}`,
    backup: last,
  }
}

export function graceOverReason({ items, without, until }: GoneItems): RetentionReason {
  const message = `the last that brings back ${namesOf(items)}, which full backups lack since ${without.id}; its grace ended at ${timeText(until)}`
  return { code: 'gone-item-expired', message, backup: without.id }
}

/** One by name, and how many more. */
export function namesOf(items: readonly string[]): string {
  return items.length > 1 ? `${items[0]} and ${items.length - 1} more` : `${items[0]}`
}

function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
