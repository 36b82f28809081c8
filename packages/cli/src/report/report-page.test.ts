import { describe, expect, test } from 'vitest'
import { sampleBackup, sampleJob, sampleReport } from './__fixtures__/sample-report.ts'
import type { DrillSummary, ReportProblem } from './report-data.ts'
import { reportPage } from './report-page.ts'

const hostile = `<script>alert(1)</script>&amp;"'\u202egnp.\u0000</title></style>`
const longName = 'ü'.repeat(150)

describe('whatever stands in a name', () => {
  const problem: ReportProblem = { severity: 'error', code: 'APPLICATION', message: hostile, hint: hostile, item: hostile }
  const drill: DrillSummary = {
    id: hostile,
    beganAt: '2026-11-22T11:00:00.000Z',
    seconds: 3,
    outcome: 'failed',
    signature: 'refused',
    keyId: hostile,
    items: 1,
    checks: { passed: 1, failed: 2 },
    bytes: 1,
    failure: { code: hostile, message: hostile },
    repositories: [hostile],
  }
  const [group] = sampleJob().restorable
  const job = sampleJob({
    job: hostile,
    application: hostile,
    repositories: [hostile, 'b'],
    restorable: [
      { items: [hostile], windows: group?.windows ?? [] },
      { items: [hostile, longName], windows: [] },
    ],
    backups: [
      sampleBackup({ id: hostile, status: 'partial', limitedTo: [hostile], failed: [{ item: hostile, code: 'X', message: hostile }] }),
    ],
    drills: [drill],
    problems: [problem],
  })
  const data = sampleReport(job)
  const repository = { name: hostile, kind: hostile, destination: hostile, problem }
  const page = reportPage({ ...data, host: hostile, software: hostile, repositories: [repository] })

  test('is text of the page and never a part of it', () => {
    expect(page).not.toContain('<script')
    expect(page).not.toContain(hostile)
    expect(page.match(/<\/title>/g)).toHaveLength(1)
    expect(page.match(/<\/style>/g)).toHaveLength(1)
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;&quot;&#39;')
  })

  test('turns no text around and hides none', () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none
    expect(page).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202a-\u202e\u2066-\u2069]/)
  })

  test('half a character does not break the page', () => {
    expect(reportPage(sampleReport(sampleJob({ job: 'a\ud800b' })))).toContain('a\ufffdb')
  })

  test('tags are closed in the order in which they were opened', () => {
    expect(unbalanced(page)).toEqual([])
    expect(unbalanced('<p><b></p></b>')).not.toEqual([])
  })
})

test('the page asks nobody for anything and says what it is', () => {
  const page = reportPage(sampleReport(sampleJob()))
  expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"`)
  expect(page).not.toMatch(/<(script|link|img|iframe|object)|url\(|@import|https?:|\son\w+=/)
  expect(page).toContain('<html lang="en">')
  expect(page).toContain('All times are UTC')
  expect(page.match(/<h1/g)).toHaveLength(1)
  for (const [, attributes] of page.matchAll(/<th ([^>]*)>/g)) expect(attributes).toMatch(/scope="(col|row)"/)
  for (const [, attributes] of page.matchAll(/<svg ([^>]*)>/g)) expect(attributes).toMatch(/aria-(label|hidden)=/)
})

test('problems stand before everything else, errors first, and what several jobs have is told once', () => {
  const warning: ReportProblem = { severity: 'warning', code: 'GAP_MISSING', message: 'a gap', hint: 'Look.' }
  const error: ReportProblem = { severity: 'error', code: 'UNREACHABLE', message: 'nobody answers', hint: 'Wait.' }
  const page = reportPage(sampleReport(sampleJob({ problems: [warning, error] }), sampleJob({ job: 'crm', problems: [error] })))
  expect(page.indexOf('Nobody answers')).toBeLessThan(page.indexOf('A gap'))
  expect(page.indexOf('A gap')).toBeLessThan(page.indexOf('id="jobs"'))
  expect(page.match(/Nobody answers/g)).toHaveLength(1)
  expect(page).toContain('job shop, crm')
})

test('a job without anything, and no job at all', () => {
  const { restorableUntil: _, ...nothing } = sampleJob({ restorable: [], backups: [] })
  const page = reportPage(sampleReport(nothing))
  expect(page).toContain('Nothing of this job can be restored.')
  expect(page).toContain('No record of a drill was found')
  expect(reportPage(sampleReport())).toContain('The configuration names no job.')
})

test('the windows are drawn and told in words', () => {
  const moment = { at: '2026-11-18T00:00:00.000Z', backup: 'b' }
  const [group] = sampleJob().restorable
  const single = { kind: 'moment', from: moment, to: moment, times: [{ from: moment.at, to: moment.at }] } as const
  const page = reportPage(sampleReport(sampleJob({ restorable: [{ items: ['orders'], windows: [...(group?.windows ?? []), single] }] })))
  expect(page).toContain('1 interval with any moment and 1 single moment between 2026-11-18T00:00:00.000Z and 2026-11-22T10:00:01.000Z')
  expect(page).toContain('<path class="moment" d="M0 1V19"')
  expect(page).toMatch(/any moment<\/span><\/td>.*2026-11-20 10:00:01<\/time>.*2d</)
  expect(page).toMatch(/this moment<\/span><\/td>.*2026-11-18 00:00:00<\/time>/)
})

test('ten thousand backups, hundreds of jobs and endless texts stay below 2 MB, and the page says what it leaves out', () => {
  const backups = Array.from({ length: 10_000 }, (_, at) => {
    const time = new Date(Date.UTC(2026, 10, 22) - at * 900_000).toISOString()
    return sampleBackup({ id: `${time}-${at}`, kind: at % 96 === 0 ? 'full' : 'log', consistentAt: time })
  })
  const one = reportPage(sampleReport(sampleJob({ backups })))
  expect(one).toContain('10,000')
  expect(one).toContain('The newest 50 of each kind')
  expect(one).toMatch(/9,900 older ones by month/)
  expect(one.length).toBeLessThan(300_000)
  const problems = Array.from({ length: 500 }, (_, at): ReportProblem => {
    return { severity: 'warning', code: 'X', message: `${at} ${'<'.repeat(9000)}`, hint: '&'.repeat(3000), item: 'x'.repeat(300) }
  })
  const items = Array.from({ length: 1000 }, (_, at) => `${at}${'"'.repeat(295)}`)
  const jobs = Array.from({ length: 300 }, (_, at) => {
    const restorable = sampleJob().restorable.map((group) => ({ ...group, items }))
    return sampleJob({ job: `job${at}`, backups: backups.slice(0, 400), problems: at === 0 ? problems : [], restorable })
  })
  const page = reportPage(sampleReport(...jobs))
  expect(Buffer.byteLength(page)).toBeLessThan(2_000_000)
  expect(page).toContain('job299')
  expect(page).toContain('more, which --json names')
  expect(unbalanced(page)).toEqual([])
})

/** Tags that are not closed where they should be. */
function unbalanced(page: string): readonly string[] {
  const open: string[] = []
  const wrong: string[] = []
  for (const [, closing, tag = '', rest = ''] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)([^>]*)>/g)) {
    if (closing === '' && !rest.endsWith('/') && !['meta', 'br'].includes(tag)) open.push(tag)
    else if (closing === '/' && open.pop() !== tag) wrong.push(tag)
  }
  return [...wrong, ...open]
}
