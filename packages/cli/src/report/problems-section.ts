import { html, type Markup, name } from './page-markup.ts'
import { listed, number, shortened } from './page-words.ts'
import type { ReportData, ReportProblem } from './report-data.ts'

/** First on the page, errors first: who finds nothing here need not read on. */
export function problemsSection(data: ReportData, most: number): Markup {
  const problems = problemsTogether(data)
  const errors = problems.filter(({ problem }) => problem.severity === 'error')
  const shown = [...errors, ...problems.filter((other) => !errors.includes(other))].slice(0, most)
  const left = problems.length - shown.length
  return html`<section aria-labelledby="problems"><h2 id="problems">Problems</h2>${
    problems.length === 0
      ? html`<p><span class="tag good">None</span> Nothing that needs you was found in what could be read.</p>`
      : html`<ul class="problems">${shown.map(problemItem)}</ul>`
  }${left === 0 ? '' : html`<p class="soft">And ${number(left)} more, which --json names.</p>`}</section>
`
}

interface ToldProblem {
  readonly problem: ReportProblem
  readonly jobs: readonly string[]
}

/** What several jobs suffer from is told once. */
function problemsTogether({ jobs, repositories }: ReportData): readonly ToldProblem[] {
  const found = new Map<string, ToldProblem & { readonly jobs: string[] }>()
  for (const { job, problems } of jobs) {
    for (const problem of problems) {
      const { severity, code, message, hint, item } = problem
      const key = JSON.stringify([severity, code, message, hint, item])
      const known = found.get(key)
      if (known === undefined) found.set(key, { problem, jobs: [job] })
      else if (!known.jobs.includes(job)) known.jobs.push(job)
    }
  }
  const told = [...found.values()]
  const others = repositories.flatMap(({ name: repository, problem }) =>
    problem === undefined || told.some((known) => known.problem.message.endsWith(problem.message))
      ? []
      : [{ problem: { ...problem, message: `repository "${repository}": ${problem.message}` }, jobs: [] }],
  )
  return [...told, ...others]
}

function problemItem({ problem, jobs }: ToldProblem): Markup {
  const { severity, code, message, hint, item } = problem
  const where = [...(jobs.length === 0 ? [] : [`job ${listed(jobs, 10)}`]), ...(item === undefined ? [] : [`item ${shortened(item, 400)}`])]
  return html`<li class="is-${severity}"><span class="tag ${severity}">${severity === 'error' ? 'Error' : 'Warning'}</span> <code>${code}</code> ${
    where.length === 0 ? '' : html`<strong>${name(where.join(', '))}</strong>`
  }<p>${sentence(shortened(message))}</p><p class="soft small">${shortened(hint)}</p></li>
`
}

/** Messages begin in lower case, where something stands in front of them. */
function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
