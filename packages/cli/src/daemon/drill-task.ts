import { isFailureCode } from '@backup-planet/core'
import { drillJob } from '../drilling/drill-job.ts'
import type { DaemonTask } from './daemon-task.ts'

/** A drill as `backup-planet drill JOB` makes it. One that does not pass, or only in part, is one that another attempt would find so again. */
export const drillTask: DaemonTask = {
  async run({ job }, { workspace, signal, onEvent }) {
    const { signed, stored, problems } = await drillJob(workspace, job, {}, { signal, onEvent })
    const { outcome, failure } = signed.evidence
    if (outcome === 'passed' && stored.length > 0) return { outcome: 'done', problems }
    const code = isFailureCode(failure?.code) ? failure.code : 'CORRUPTED'
    if (outcome === 'partial' && stored.length > 0) {
      const { message = 'something beside it is wrong', hint = `Run "backup-planet evidence ${job}" to see what.` } = failure ?? {}
      return { outcome, failure: { severity: 'warning', code, message, hint }, problems }
    }
    const message = `the drill did not pass: ${failure?.message ?? 'its record could be stored nowhere, or a check failed'}`
    const hint = `Run "backup-planet evidence ${job}" to see what was found, and "backup-planet drill ${job} --keep" to look for the cause.`
    return { outcome: 'failed', failure: { severity: 'error', code, message, hint }, problems }
  },
}
