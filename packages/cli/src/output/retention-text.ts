import { describeBytes, type RetentionReport } from '@backup-planet/core'
import { printable } from './output.ts'
import { textTable } from './text-table.ts'

/** Every backup with what becomes of it and why, oldest first, and what it comes to. */
export function retentionText(report: RetentionReport, destination: string): string {
  const columns = [{ title: 'ID' }, { title: 'TIME' }, { title: 'KIND' }, { title: 'STATUS' }, { title: '' }, { title: 'REASON' }]
  const rows = report.decisions.map(({ backup, action, reasons }) => [
    backup.id,
    backup.beganAt.replace(/\.\d+Z$/, 'Z'),
    backup.kind,
    backup.limitedTo === undefined ? backup.status : `${backup.status}, limited`,
    action,
    reasons.map(({ message }) => message).join('; '),
  ])
  return [...(rows.length === 0 ? [] : [textTable(columns, rows)]), summary(report, destination)].join('\n')
}

function summary({ dryRun, decisions, removed, bytes }: RetentionReport, destination: string): string {
  const going = dryRun ? decisions.filter(({ action }) => action === 'remove').length : removed.length
  const size = bytes === undefined || going === 0 ? '' : `, ${describeBytes(bytes)}`
  return `${dryRun ? 'would remove' : 'removed'} ${going} of ${decisions.length} backups in ${printable(destination)}${size}`
}
