import { describeBytes, describeGoal, describeStop, type RestoreChain, type RestoreGoal, type RestorePlan } from '@backup-planet/core'
import { printable } from './output.ts'
import { count } from './plan-text.ts'
import { textTable } from './text-table.ts'

/** So many rows of a longer chain are shown at its beginning and its end. */
const rowsShown = 6

/** What a restore gets to, by which backups, and where it stops. */
export function restoreChainText({ chain, request: { stop } }: RestorePlan, to: RestoreGoal): string {
  if (chain === undefined) return `to ${printable(describeGoal(to))}`
  const last = chain.backups.at(-1)
  const [only] = chain.backups
  const warnings = chain.warnings.map(({ message }) => `warning: ${printable(message)}`)
  if (chain.backups.length === 1 && only !== undefined && stop === undefined) {
    const where = `from the ${only.kind} backup ${only.id} of ${only.consistentAt}, in ${printable(only.repository)}`
    return [where, ...warnings].join('\n')
  }
  return [
    `to ${printable(describeGoal(to))}, by ${count(chain.backups.length, 'backup')}`,
    '',
    chainTable(chain),
    '',
    ...(stop === undefined ? [] : [`of the last, ${last?.id}: ${printable(describeStop(stop))}`]),
    `reads ${describeBytes(chain.bytes)}; the target needs room for about ${describeBytes(chain.spaceBytes)}`,
    ...warnings,
  ].join('\n')
}

function chainTable({ backups }: RestoreChain): string {
  const rows = backups.map(({ id, kind, consistentAt, repository, bytes }) => [id, kind, consistentAt, describeBytes(bytes), repository])
  const left = rows.length - 2 * rowsShown
  const shown = left <= 1 ? rows : [...rows.slice(0, rowsShown), [`… ${left} more`, '', '', '', ''], ...rows.slice(-rowsShown)]
  const columns = [
    { title: 'BACKUP' },
    { title: 'KIND' },
    { title: 'TIME' },
    { title: 'SIZE', align: 'right' },
    { title: 'REPOSITORY' },
  ] as const
  return textTable(columns, shown)
}
