import { evidenceKeyId, isFailureCode, type Problem, publicKeyOf } from '@backup-planet/core'
import { drillJob } from '../drilling/drill-job.ts'
import type { DaemonTask } from './daemon-task.ts'

/** A drill as `backup-planet drill JOB` makes it. One that does not pass, or only in part, is one that another attempt would find so again. */
export const drillTask: DaemonTask = {
  async run({ job }, { workspace, signal, onEvent }) {
    const onKeyMade = (file: string, privateKey: string): void => onEvent({ type: 'problem', problem: keyMadeProblem(file, privateKey) })
    const { signed, stored, problems } = await drillJob(workspace, job, {}, { signal, onEvent, onKeyMade })
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

/** Said once, when it is made: who holds the public key can verify every record, also when this machine is lost. */
function keyMadeProblem(file: string, privateKey: string): Problem {
  const publicKey = publicKeyOf(privateKey)
  return {
    severity: 'warning',
    code: 'NOT_FOUND',
    message: `there was no key that signs records of drills, and one was made in ${file}: id ${evidenceKeyId(publicKey)}, public half ${bodyOf(publicKey)}`,
    hint: `Keep the public half elsewhere, to verify records with: openssl pkey -in '${file}' -pubout; or name a key of yours under "evidence" in the configuration.`,
  }
}

/** The Base64 of a key in PEM, in one line. */
function bodyOf(pem: string): string {
  return pem
    .split('\n')
    .filter((line) => !line.startsWith('-----'))
    .join('')
}
