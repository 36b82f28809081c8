import { type Backup, describePosition, type Gap, type RestoreWindow } from '@backup-planet/core'
import { describeDuration } from '../configuration/duration.ts'
import { printable } from './output.ts'
import { textTable } from './text-table.ts'

export interface RestorableStates {
  readonly windows: readonly RestoreWindow[]
  readonly gaps: readonly Gap[]
  /** The last backup of the latest state that can be restored. */
  readonly last?: Backup
  /** Whether the agent restores to moments between two backups. */
  readonly pointInTime: boolean
}

/** @param now milliseconds since 1970 */
export function windowsText({ windows, gaps, last, pointInTime }: RestorableStates, now: number): string {
  const severalHistories = new Set(windows.map(({ chain }) => chain)).size > 1
  const anyMissing = windows.some(({ items }) => items !== undefined)
  const columns = [
    { title: 'RESTORABLE' },
    { title: 'FROM' },
    { title: 'TO' },
    { title: 'LAST BACKUP' },
    ...(severalHistories ? [{ title: 'HISTORY' }] : []),
    ...(anyMissing ? [{ title: 'ITEMS' }] : []),
  ]
  const rows = windows.flatMap((window) =>
    window.times.map(({ from, to }) => [
      extentOf(window, pointInTime),
      from,
      from === to ? '' : to,
      window.to.backup,
      ...(severalHistories ? [window.chain ?? ''] : []),
      ...(anyMissing ? [window.items === undefined ? 'all' : `only ${window.items.join(', ')}`] : []),
    ]),
  )
  return [
    textTable(columns, rows),
    ...(last === undefined ? [] : ['', untilText(last, now)]),
    ...(gaps.length === 0 ? [] : ['', 'gaps:', ...gaps.map(({ kind, message }) => `  ${kind}: ${printable(message)}`)]),
  ].join('\n')
}

function extentOf({ kind }: RestoreWindow, pointInTime: boolean): string {
  if (kind === 'moment') return 'this moment'
  return pointInTime ? 'any moment' : 'each backup'
}

function untilText({ id, consistentAt, position }: Backup, now: number): string {
  const at = position === undefined ? '' : `, ${printable(describePosition(position))}`
  return `restorable until ${consistentAt}, ${describeDuration(now - Date.parse(consistentAt))} ago (backup ${id}${at})`
}
