import { isFailureCode } from '@backup-planet/core'
import { drillJob } from '../drilling/drill-job.ts'
import type { DaemonTask } from './daemon-task.ts'

/** One drill, as `backup-planet drill` makes it. One that does not pass is a failure that another attempt would find too. */
export const drillTask: DaemonTask = {
  async run({ job }, { workspace, signal, onEvent }) {
    const { signed, problems } = await drillJob(workspace, job, {}, { signal, onEvent })
    const { outcome, failure } = signed.evidence
    if (outcome === 'passed') return { outcome: problems.length > 0 ? 'partial' : 'done', problems }
    const {
      code = 'INCONSISTENT',
      message = 'the drill did not pass',
      hint = `Run "backup-planet evidence ${job}" to see its record.`,
    } = failure ?? {}
    return {
      outcome: 'failed',
      problems,
      failure: { severity: 'error', code: isFailureCode(code) ? code : 'UNKNOWN', message, hint },
    }
  },
}
