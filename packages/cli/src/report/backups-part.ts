import { type CaptureKind, describeBytes } from '@backup-planet/core'
import { describeDuration } from '../configuration/duration.ts'
import { type Content, html, type Markup, name } from './page-markup.ts'
import { table } from './page-table.ts'
import { listed, moment, number } from './page-words.ts'
import type { BackupReport } from './report-data.ts'

const kinds: readonly CaptureKind[] = ['full', 'differential', 'log']

/** Totals of each kind, the newest of each kind one by one, and what is older month by month. */
export function backupsPart(backups: readonly BackupReport[], severalRepositories: boolean, most: number): Markup {
  if (backups.length === 0) return html`<p>There is none yet.</p>`
  const shown = new Set(kinds.flatMap((kind) => backups.filter((backup) => backup.kind === kind).slice(0, most)))
  const older = backups.filter((backup) => !shown.has(backup))
  return html`${totalsTable(backups)}${
    shown.size === 0
      ? ''
      : newestTable(
          [...backups].filter((backup) => shown.has(backup)),
          older.length,
          severalRepositories,
          most,
        )
  }${older.length === 0 ? '' : olderTable(older, most)}`
}

function totalsTable(backups: readonly BackupReport[]): Markup {
  const columns = [
    { title: 'Kind' },
    { title: 'Backups', align: 'right' },
    { title: 'Partial', align: 'right' },
    { title: 'Median size', align: 'right' },
    { title: 'Median duration', align: 'right' },
    { title: 'Longest', align: 'right' },
    { title: 'Newest' },
  ] as const
  const rows = kinds.flatMap((kind): readonly (readonly Content[])[] => {
    const mine = backups.filter((backup) => backup.kind === kind)
    const [newest] = mine
    if (newest === undefined) return []
    const seconds = mine.map((backup) => backup.seconds)
    return [
      [
        kind,
        number(mine.length),
        number(mine.filter(({ status }) => status === 'partial').length),
        describeBytes(median(mine.map(({ bytes }) => bytes))),
        duration(median(seconds)),
        duration(seconds.reduce((a, b) => Math.max(a, b), 0)),
        moment(newest.consistentAt),
      ],
    ]
  })
  return table('Backups by kind; sizes before compression', columns, rows)
}

function newestTable(backups: readonly BackupReport[], older: number, severalRepositories: boolean, most: number): Markup {
  const anyStored = backups.some(({ storedBytes }) => storedBytes !== undefined)
  const columns = [
    { title: 'Time (UTC)' },
    { title: 'Kind' },
    { title: 'State' },
    { title: 'Items', align: 'right' },
    { title: 'Size', align: 'right' },
    ...(anyStored ? ([{ title: 'Stored', align: 'right' }] as const) : []),
    { title: 'Duration', align: 'right' },
    ...(severalRepositories ? [{ title: 'In' }] : []),
    { title: 'Id' },
  ] as const
  const rows = backups.map((backup) => [
    moment(backup.consistentAt),
    backup.kind,
    stateOf(backup),
    backup.failed.length === 0 ? number(backup.items) : `${number(backup.items - backup.failed.length)} of ${number(backup.items)}`,
    describeBytes(backup.bytes),
    ...(anyStored ? [backup.storedBytes === undefined ? '' : describeBytes(backup.storedBytes)] : []),
    duration(backup.seconds),
    ...(severalRepositories ? [backup.repositories.join(', ')] : []),
    html`<code>${backup.id}</code>`,
  ])
  return table(older === 0 ? 'All backups, the newest first' : `The newest ${number(most)} of each kind`, columns, rows)
}

function stateOf({ status, limitedTo, failed }: BackupReport): Markup {
  const limit = limitedTo === undefined ? '' : html` limited to ${name(listed(limitedTo, 5).slice(0, 300))}`
  if (status === 'complete') return html`<span class="tag good">Complete</span>${limit}`
  const without = listed(
    failed.map(({ item }) => item),
    5,
  ).slice(0, 300)
  return html`<span class="tag error">Partial</span>${limit} without ${name(without)}`
}

function olderTable(older: readonly BackupReport[], most: number): Markup {
  const months = new Map<string, BackupReport[]>()
  for (const backup of older) {
    const month = backup.consistentAt.slice(0, 7)
    const known = months.get(month)
    if (known === undefined) months.set(month, [backup])
    else known.push(backup)
  }
  const columns = [
    { title: 'Month' },
    ...kinds.map((kind) => ({ title: kind.charAt(0).toUpperCase() + kind.slice(1), align: 'right' }) as const),
    { title: 'Partial', align: 'right' },
    { title: 'Size', align: 'right' },
    { title: 'Median duration', align: 'right' },
  ] as const
  const rows = [...months]
    .slice(0, Math.max(most, 12))
    .map(([month, mine]) => [
      month,
      ...kinds.map((kind) => number(mine.filter((backup) => backup.kind === kind).length)),
      number(mine.filter(({ status }) => status === 'partial').length),
      describeBytes(mine.reduce((sum, { bytes }) => sum + bytes, 0)),
      duration(median(mine.map(({ seconds }) => seconds))),
    ])
  const left = months.size - rows.length
  return table(`${number(older.length)} older ones by month${left > 0 ? `; ${number(left)} more months are left out` : ''}`, columns, rows)
}

function duration(seconds: number): string {
  return seconds < 1 ? '< 1s' : describeDuration(seconds * 1000)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0
}
