import type { Backup, CaptureKind, ManifestItem, Position, TimeSpan } from '../contracts/index.ts'
import { canonicalJson } from '../manifest/canonical-json.ts'
import type { ChainHistory } from './chain-history.ts'
import { positionKey } from './position-order.ts'

/** A backup as the planner sees it. */
export interface ChainLink {
  readonly id: string
  readonly backup: Backup
  readonly kind: CaptureKind
  /** The names of those that list it, the preferred first. */
  readonly repositories: readonly string[]
  readonly from?: Position
  readonly to?: Position
  /** `consistentAt`, in milliseconds. */
  readonly at: number
  readonly covers?: readonly TimeSpan[]
  /** Nothing that is asked for is lost in it, and of a full, something is in it: it can be built on. What is not whole can only be the last of a restore. */
  readonly whole: boolean
  /** Asked for and lost in this backup. */
  readonly failed: readonly string[]
}

/** One link a backup, whoever lists it, in an order that does not depend on that of the listings. */
export function linksOf({ listings, items }: ChainHistory): ChainLink[] {
  const found = new Map<string, Copy[]>()
  for (const { repository, backups } of listings) {
    for (const backup of backups) {
      const copies = found.get(backup.id)
      if (copies === undefined) found.set(backup.id, [{ backup, repositories: [repository] }])
      else addCopy(copies, backup, repository)
    }
  }
  // Copies of one backup of which one lost an item: the better one counts.
  const best = [...found].map(([id, copies]) => {
    const links = copies.map((copy) => ({ copy, link: linkOf(id, copy.backup, copy.repositories, items) }))
    if (links.length > 1) links.sort((a, b) => a.link.failed.length - b.link.failed.length || (keyOf(a.copy) < keyOf(b.copy) ? -1 : 1))
    return links[0]?.link as ChainLink
  })
  return best.sort(oldestFirst)
}

interface Copy {
  readonly backup: Backup
  readonly repositories: string[]
  /** Only where there are others to tell it from. */
  key?: string
}

function addCopy(copies: Copy[], backup: Backup, repository: string): void {
  const key = sameCopy(backup)
  const copy = copies.find((other) => other.backup === backup || keyOf(other) === key)
  if (copy === undefined) copies.push({ backup, repositories: [repository], key })
  else if (!copy.repositories.includes(repository)) copy.repositories.push(repository)
}

function keyOf(copy: Copy): string {
  copy.key ??= sameCopy(copy.backup)
  return copy.key
}

/** By when they ended, as the host that made them saw it; for what positions do not say. */
export function oldestFirst(a: ChainLink, b: ChainLink): number {
  return Date.parse(a.backup.endedAt) - Date.parse(b.backup.endedAt) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
}

function linkOf(id: string, backup: Backup, repositories: readonly string[], asked: readonly string[] | undefined): ChainLink {
  const failed = backup.items.flatMap(({ item, failure }) => (failure !== undefined && (asked?.includes(item) ?? true) ? [item] : []))
  const limit = backup.limitedTo
  const limited = limit !== undefined && (asked === undefined || asked.some((item) => !limit.includes(item)))
  const mine = backup.items.filter(({ item }) => asked?.includes(item) ?? false)
  const from = backup.from ?? agreed(mine, ({ from: begins }) => begins)
  const to = backup.position ?? agreed(mine, ({ to: ends }) => ends)
  return {
    id,
    backup,
    kind: backup.kind,
    repositories,
    at: Date.parse(backup.consistentAt),
    whole:
      failed.length === 0 &&
      !limited &&
      (asked !== undefined || backup.status === 'complete') &&
      (backup.kind !== 'full' || (asked === undefined ? backup.items : mine).length > 0),
    failed,
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(backup.covers === undefined ? {} : { covers: backup.covers }),
  }
}

function agreed(items: readonly ManifestItem[], of: (item: ManifestItem) => Position | undefined): Position | undefined {
  const [first, ...others] = items.map(of)
  if (first === undefined) return undefined
  return others.every((other) => other !== undefined && positionKey(other) === positionKey(first)) ? first : undefined
}

function sameCopy({ kind, status, from, position, consistentAt, items }: Backup): string {
  const failed = items.flatMap(({ item, failure }) => (failure === undefined ? [] : [item])).sort()
  return canonicalJson({ kind, status, from, position, consistentAt, failed })
}
