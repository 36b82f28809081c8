import { describeDuration } from '../configuration/duration.ts'
import { type Content, html, type Markup, name } from './page-markup.ts'
import { table } from './page-table.ts'
import { moment, number } from './page-words.ts'
import type { JobReport, ReportData } from './report-data.ts'

/** One row a job: whether it needs somebody, and how much would be lost now. */
export function overviewSection({ jobs, madeAt }: ReportData, linked: boolean): Markup {
  const columns = [
    { title: 'Job' },
    { title: 'State' },
    { title: 'Restorable until' },
    { title: 'Ago', align: 'right' },
    { title: 'Backups', align: 'right' },
    { title: 'Newest drill' },
  ] as const
  const rows = jobs.map((job, at) => [
    linked ? html`<a href="#job-${at}">${name(job.job)}</a>` : name(job.job),
    stateOf(job),
    job.restorableUntil === undefined ? 'nothing' : moment(job.restorableUntil.at),
    job.restorableUntil === undefined ? '' : describeDuration(Date.parse(madeAt) - Date.parse(job.restorableUntil.at)),
    number(job.backups.length),
    newestDrill(job),
  ])
  const content = jobs.length === 0 ? html`<p>The configuration names no job.</p>` : table('How each job stands', columns, rows)
  return html`<section aria-labelledby="jobs"><h2 id="jobs">Jobs</h2>${content}</section>
`
}

export function stateOf({ problems }: Pick<JobReport, 'problems'>): Markup {
  if (problems.some(({ severity }) => severity === 'error')) return html`<span class="tag error">Error</span>`
  if (problems.length > 0) return html`<span class="tag warning">Warning</span>`
  return html`<span class="tag good">Fine</span>`
}

function newestDrill({ drills: [newest] }: JobReport): Content {
  return newest === undefined ? 'never' : [`${newest.outcome}, `, moment(newest.beganAt)]
}
