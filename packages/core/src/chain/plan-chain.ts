import type { CaptureKind, Position, RestoreStop } from '../contracts/index.ts'
import { chainOf, noChain } from './chain-branches.ts'
import type { ChainHistory } from './chain-history.ts'
import type { ChainLink } from './chain-link.ts'
import { type Reach, reachOf } from './chain-reach.ts'
import { type FoundChain, searchBackup, searchBefore, searchLatest, searchMoment, searchPosition } from './chain-search.ts'
import { bytesToRead, spaceToRestore } from './chain-sizes.ts'
import { type ChainWarning, itemsWarning, limitWarning } from './chain-warnings.ts'
import { chooseRepositories } from './chosen-repositories.ts'
import { type NoChainPlan, noPlan } from './no-chain-plan.ts'
import { restorableItems } from './restorable-items.ts'

/** What to get back to. `chain` chooses among histories that parted; the newest that holds it when left out. */
export type ChainTarget =
  | { readonly latest: true; readonly chain?: string }
  /**
   * ISO 8601, by the server's clock: everything that was changed before it, and nothing that was changed at it or later. The very moment of a
   * backup is that backup as a whole.
   */
  | { readonly at: string; readonly chain?: string }
  /** By its id: all that it holds. */
  | { readonly backup: string }
  /** Everything up to it. */
  | { readonly position: Position }
  /** Everything before the change that ends at it or contains it, itself excluded. */
  | { readonly beforePosition: Position }

/** Which backups bring a job back to a target. Plain data. */
export interface ChainPlan {
  readonly possible: true
  /** Left out for a backup without a position. */
  readonly chain?: string
  /** A full, perhaps its differential, then logs: oldest first, each applied as a whole but the last. */
  readonly backups: readonly PlannedBackup[]
  /** Where the last one stops, as a restore request has it. Left out when it is applied as a whole. */
  readonly stop?: RestoreStop
  /** What comes back. */
  readonly items: readonly string[]
  readonly failed: readonly { readonly item: string; readonly backup: string }[]
  /** Of all that is read, before compression, as far as the backups say. */
  readonly bytes: number
  /** Room for the full, and beside it for the largest backup that is applied to it. */
  readonly spaceBytes: number
  readonly warnings: readonly ChainWarning[]
}

export interface PlannedBackup {
  readonly id: string
  readonly kind: CaptureKind
  /** Where it is read. */
  readonly repository: string
  readonly bytes: number
}

/**
 * Which backups to restore, and where to stop, so that the target is reached exactly: the newest full from which every log up to it is there. Says why
 * not, and what is nearest, when there is no way; never goes across a gap. Throws a TypeError when `at` is no time.
 */
export function planChain(history: ChainHistory, target: ChainTarget): ChainPlan | NoChainPlan {
  return planWithin(reachOf(history), history, target)
}

/** For who plans several targets of one history: as {@link planChain}, with what the history reaches, found once. */
export function planWithin(reach: Reach, history: ChainHistory, target: ChainTarget): ChainPlan | NoChainPlan {
  if ('at' in target && Number.isNaN(Date.parse(target.at))) throw new TypeError(`"${target.at}" is no time`)
  const found = search(reach, target, history.items)
  return found === undefined ? noPlan(reach, history, target) : planOf(found, history)
}

function search(reach: Reach, target: ChainTarget, asked: readonly string[] | undefined): FoundChain | undefined {
  if ('latest' in target) return searchLatest(reach, target.chain, asked)
  if ('at' in target) return searchMoment(reach, target.at, target.chain, asked)
  if ('position' in target) return searchPosition(reach, target.position, asked)
  if ('beforePosition' in target) return searchBefore(reach, target.beforePosition, asked)
  const link = reach.links.find(({ id }) => id === target.backup)
  return link && searchBackup(reach, link, asked)
}

function planOf({ links, stop, warnings }: FoundChain, { listings, items: asked }: ChainHistory): ChainPlan {
  const last = links.at(-1) as ChainLink
  const chain = chainOf(last)
  const restorable = restorableItems(links, asked)
  const limits = links.flatMap(({ id, backup }) => (backup.limitedTo === undefined ? [] : [{ backup: id, items: backup.limitedTo }]))
  const repositories = chooseRepositories(
    links,
    listings.map(({ repository }) => repository),
  )
  const backups = links.map((link, at) => ({
    id: link.id,
    kind: link.kind,
    repository: repositories[at] ?? '',
    bytes: bytesToRead(link.backup, restorable.items),
  }))
  return {
    possible: true,
    ...(chain === noChain ? {} : { chain }),
    backups,
    ...(stop === undefined ? {} : { stop }),
    ...restorable,
    bytes: backups.reduce((sum, { bytes }) => sum + bytes, 0),
    spaceBytes: spaceToRestore(backups.map(({ bytes }) => bytes)),
    warnings: [...warnings, ...itemsWarning(restorable), ...limitWarning(limits)],
  }
}
