import { positionKey } from '../chain/position-order.ts'
import type { Backup } from '../contracts/index.ts'

/**
 * The items of a history in groups that the chain planner cannot tell from each other: what is true of one is true of all. Items that no full
 * backup names are left out, since nothing of them is restored by themselves. Without failed, limited or missing items there is one group, as large as the job.
 */
export function itemGroups(backups: readonly Backup[]): string[][] {
  const marks = new Map<string, string[]>()
  const inFulls = new Set<string>()
  for (const [index, backup] of backups.entries()) {
    const { kind, from, position, limitedTo, items } = backup
    const hasOwn = position !== undefined && (kind === 'full' || from !== undefined)
    for (const entry of items) {
      const { item, failure, from: begins, to: ends } = entry
      if (kind === 'full') inFulls.add(item)
      if (kind !== 'full' && hasOwn && failure === undefined && limitedTo === undefined) continue
      const own = hasOwn ? [] : [begins, ends].map((place) => (place === undefined ? '' : positionKey(place)))
      markOf(marks, item).push(`${index}${failure === undefined ? '' : ' failed'} ${own.join(' ')}`)
    }
    for (const item of limitedTo ?? []) markOf(marks, item).push(`${index} limited to it`)
  }
  const groups = new Map<string, string[]>()
  for (const item of [...inFulls].sort()) markOf(groups, (marks.get(item) ?? []).join('\n')).push(item)
  return [...groups.values()]
}

/** Whether the planner answers for each item as it does for the whole job. */
export function isUniform(backups: readonly Backup[], groups: readonly (readonly string[])[]): boolean {
  const [only, ...others] = groups
  if (only === undefined || others.length > 0) return only === undefined
  return backups.every(
    ({ kind, status, limitedTo, from, position, items }) =>
      status === 'complete' &&
      limitedTo === undefined &&
      position !== undefined &&
      (kind === 'full' ? items.some(({ item }) => item === only[0]) : from !== undefined),
  )
}

function markOf(lists: Map<string, string[]>, key: string): string[] {
  const list = lists.get(key) ?? []
  lists.set(key, list)
  return list
}
