import { describeBytes } from '@backup-planet/core'
import { type Content, html, type Markup, name } from './page-markup.ts'
import { table } from './page-table.ts'
import { number, shortened } from './page-words.ts'
import type { ReportData, RepositoryReport } from './report-data.ts'

export function repositoriesSection({ repositories }: ReportData): Markup {
  if (repositories.length === 0) return html``
  const columns = [
    { title: 'Repository' },
    { title: 'Kind' },
    { title: 'Destination' },
    { title: 'Backups', align: 'right' },
    { title: 'Size', align: 'right' },
    { title: 'Stored', align: 'right' },
    { title: 'Ratio', align: 'right' },
    { title: 'Unused', align: 'right' },
  ] as const
  const caption =
    'What all jobs of a repository take together. Size is what restoring every backup would write; the ratio is how much of it one stored byte holds, by compression and because what is the same is stored once'
  return html`<section aria-labelledby="repositories"><h2 id="repositories">Repositories</h2>${table(caption, columns, repositories.map(rowOf))}</section>
`
}

function rowOf({ name: repository, kind, destination = '', statistics, problem }: RepositoryReport): readonly Content[] {
  const where = [name(shortened(destination, 400)), problem === undefined ? '' : html` <span class="tag error">Not readable</span>`]
  if (statistics === undefined) return [name(repository), kind, where, '', '', '', '', '']
  const { backups, contentBytes, storedBytes, ratio, unusedBytes } = statistics
  return [
    name(repository),
    kind,
    where,
    number(backups),
    describeBytes(contentBytes),
    describeBytes(storedBytes),
    ratio === undefined ? '' : `${ratio.toFixed(1)} : 1`,
    describeBytes(unusedBytes),
  ]
}
