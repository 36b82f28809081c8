import { backupsPart } from './backups-part.ts'
import { drillsPart } from './drills-part.ts'
import { overviewSection, stateOf } from './overview-section.ts'
import { html, Markup, name } from './page-markup.ts'
import { pageStyle } from './page-style.ts'
import { moment, number } from './page-words.ts'
import { problemsSection } from './problems-section.ts'
import type { JobReport, ReportData } from './report-data.ts'
import { repositoriesSection } from './repositories-section.ts'
import { windowsTimeline } from './windows-timeline.ts'

/** A telephone takes no more gladly, and no mail server. In bytes. */
const largestPage = 2_000_000

/** Rows of each table, tried one after the other until the page is small enough; at last jobs have nothing but their row of the overview. */
const rowsTried = [50, 20, 8, 3] as const

/**
 * The report as one HTML page that needs nothing else: no script, no request. Smaller than 2 MB: where there is more, the newest is told one by one and
 * the rest in sums, which the page says.
 */
export function reportPage(data: ReportData): string {
  // A row takes some hundred bytes and a job has several tables: what cannot fit is not even tried.
  const hopeful = rowsTried.filter((rows) => rows * data.jobs.length * 500 < largestPage)
  for (const rows of hopeful) {
    const page = pageWith(data, rows)
    if (Buffer.byteLength(page) < largestPage) return page
  }
  return pageWith(data, 0)
}

function pageWith(data: ReportData, rows: number): string {
  const { madeAt, host, software, jobs } = data
  return html`${new Markup('<!doctype html>')}
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>Backup report, ${madeAt.slice(0, 10)}</title>
<style>${new Markup(pageStyle)}</style>
</head>
<body>
<header><h1>Backup report</h1><p>Made on <strong>${moment(madeAt)} UTC</strong> on ${name(host)}. <span class="soft">All times are UTC.</span></p></header>
<main>
${problemsSection(data, Math.max(20, rows * 2))}${overviewSection(data, rows > 0)}${jobs.map((job, at) =>
  rows > 0 ? jobSection(job, at, madeAt, rows) : '',
)}${repositoriesSection(data)}</main>
<footer><p>By backup-planet ${software}, from the repositories themselves; no server was asked.</p></footer>
</body>
</html>
`.source
}

function jobSection(job: JobReport, at: number, madeAt: string, rows: number): Markup {
  const { application, repositories, backups, drills, gaps } = job
  return html`<section aria-labelledby="job-${at}"><h2 id="job-${at}">Job ${name(job.job)} ${stateOf(job)}</h2><p class="soft">${application}, kept in ${repositories.join(', ')}. ${
    gaps.length === 0
      ? 'No gap in its history.'
      : `${number(gaps.length)} ${gaps.length === 1 ? 'gap' : 'gaps'} in its history, told above.`
  }</p>
<h3>What can be restored</h3>${windowsTimeline(job, madeAt, rows)}
<h3>Backups</h3>${backupsPart(backups, repositories.length > 1, rows)}
<h3>Drills</h3>${drillsPart(drills, rows)}</section>
`
}
