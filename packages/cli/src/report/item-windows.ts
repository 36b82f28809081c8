import { type Backup, type ChainHistory, type RestoreWindow, restoreWindows } from '@backup-planet/core'
import type { RestorableGroup } from './report-data.ts'

/** Each group costs as much as planning a restore. */
const mostGroups = 40

/**
 * What each item can be restored to. Items that the same backups hold, in the same state, are planned once and told together; items of logs alone, such as the
 * binlogs, are nothing that anybody asks for.
 *
 * @returns `leftOut`: how many items were not planned, because too many differ from each other
 */
export function restorableItems(history: ChainHistory): { readonly groups: readonly RestorableGroup[]; readonly leftOut: number } {
  const alike = [...itemsByState(history).values()]
  const planned = alike.slice(0, mostGroups)
  const groups = new Map<string, { readonly items: string[]; readonly windows: readonly RestoreWindow[] }>()
  for (const items of planned) {
    const windows = restoreWindows({ ...history, items: items.slice(0, 1) }).map(withoutItems)
    const key = JSON.stringify(windows)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { items: [...items], windows })
    else group.items.push(...items)
  }
  return {
    groups: [...groups.values()].map(({ items, windows }) => ({ items: items.sort(), windows })),
    leftOut: alike.slice(mostGroups).reduce((sum, items) => sum + items.length, 0),
  }
}

/** Who is planned by itself alone is not told that only it comes back. */
function withoutItems({ items: _, ...window }: RestoreWindow): RestoreWindow {
  return window
}

function itemsByState({ listings }: ChainHistory): Map<string, string[]> {
  const backups = listings.flatMap(({ backups: listed }) => listed)
  const asked = new Set(backups.filter(({ kind }) => kind !== 'log').flatMap(({ items }) => items.map(({ item }) => item)))
  const states = new Map<string, string[]>([...asked].map((item) => [item, []]))
  for (const [at, backup] of backups.entries()) {
    for (const item of backup.items) states.get(item.item)?.push(stateOf(backup, item, at))
  }
  const groups = new Map<string, string[]>()
  for (const [item, state] of states) {
    const key = state.join()
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}

/** All that the planner looks at in one item of one backup: its own positions count only where the backup has none. */
function stateOf({ from, position }: Backup, item: Backup['items'][number], at: number): string {
  const own = from !== undefined && position !== undefined ? '' : JSON.stringify([item.from, item.to])
  return `${at}${item.failure === undefined ? '' : 'failed'}${own}`
}
