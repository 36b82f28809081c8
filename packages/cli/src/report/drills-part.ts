import { describeBytes } from '@backup-planet/core'
import { describeDuration } from '../configuration/duration.ts'
import { html, type Markup } from './page-markup.ts'
import { table } from './page-table.ts'
import { moment, number, shortened } from './page-words.ts'
import type { DrillSummary } from './report-data.ts'

/** What drills have proven, the newest first. */
export function drillsPart(drills: readonly DrillSummary[], most: number): Markup {
  if (drills.length === 0) return html`<p>No record of a drill was found: that these backups restore is not proven.</p>`
  const columns = [
    { title: 'Time (UTC)' },
    { title: 'Outcome' },
    { title: 'State restored' },
    { title: 'Items', align: 'right' },
    { title: 'Checks', align: 'right' },
    { title: 'Read', align: 'right' },
    { title: 'Duration', align: 'right' },
    { title: 'Signature' },
    { title: 'Record' },
  ] as const
  const rows = drills
    .slice(0, most)
    .map((drill) => [
      moment(drill.beganAt),
      outcomeOf(drill),
      drill.restoredTo === undefined ? '' : moment(drill.restoredTo),
      number(drill.items),
      drill.checks.failed === 0
        ? `${number(drill.checks.passed)} passed`
        : `${number(drill.checks.failed)} failed, ${number(drill.checks.passed)} passed`,
      describeBytes(drill.bytes),
      describeDuration(drill.seconds * 1000),
      signatureOf(drill),
      html`<code>${drill.id}</code>`,
    ])
  const left = drills.length - rows.length
  return table(
    left > 0 ? `The newest ${number(rows.length)} of ${number(drills.length)} drills` : 'Drills, the newest first',
    columns,
    rows,
  )
}

function outcomeOf({ outcome, failure }: DrillSummary): Markup {
  if (outcome === 'passed') return html`<span class="tag good">Passed</span>`
  const why = failure === undefined ? '' : ` ${failure.code}: ${shortened(failure.message, 200)}`
  if (outcome === 'partial') return html`<span class="tag warning">Partial</span>${why}`
  return html`<span class="tag error">${outcome === 'failed' ? 'Failed' : 'Impossible'}</span>${why}`
}

function signatureOf({ signature, keyId }: DrillSummary): Markup {
  const key = html`<code>${keyId.slice(0, 8)}</code>`
  if (signature === 'verified') return html`<span class="tag good">Verified</span> ${key}`
  if (signature === 'refused') return html`<span class="tag error">Not verified</span> ${key}`
  return html`not checked, key ${key}`
}
