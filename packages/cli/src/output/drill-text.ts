import { type DrillEvidence, type DrillReport, describeBytes } from '@backup-planet/core'
import { describeDuration } from '../configuration/duration.ts'
import { printable } from './output.ts'
import { count } from './plan-text.ts'

/** What a drill has shown: what did not pass at the very end, where it is seen. */
export function drillText({ signed, stored }: DrillReport, keep: boolean): string {
  const { evidence } = signed
  const { id, job, outcome, failure, scratch } = evidence
  return [
    ...(keep && scratch !== undefined ? [`kept: ${printable(scratch.name)}`] : []),
    ...(outcome === 'impossible'
      ? []
      : [`restored the state of ${stateText(evidence)} in ${describeDuration(evidence.seconds * 1000)}, ${checksText(evidence)}`]),
    stored.length === 0
      ? `record ${id}, which is stored nowhere`
      : `record ${id} in ${stored.map(({ destination }) => printable(destination)).join(', ')}`,
    ...(failure === undefined ? [] : [`${failure.code}: ${printable(failure.message)}`]),
    ...(failure?.hint === undefined ? [] : [`  hint: ${printable(failure.hint)}`]),
    `${outcome}: drill of job ${printable(job)}`,
  ].join('\n')
}

/** `2026-07-24T02:00:00Z (backup …)`, or why there is none. */
export function stateText({ restorePoint, bytes }: DrillEvidence): string {
  if (restorePoint === undefined) return 'nothing'
  return `${restorePoint.at} (backup ${printable(restorePoint.backup)}, ${describeBytes(bytes)} read)`
}

function checksText({ items, engineChecks }: DrillEvidence): string {
  const all = [...items.flatMap(({ checks }) => checks), ...engineChecks]
  return `${all.filter(({ passed }) => passed).length} of ${count(all.length, 'check')} passed`
}
