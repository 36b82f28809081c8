import type { EngineCheck, Problem, RestorePlan, RestoreReport } from '../contracts/index.ts'
import { BackupError, isFailureCode } from '../errors/backup-error.ts'
import { isRestored, itemsLeftOut } from '../pipeline/restore.ts'
import type { DrillFailure, DrillGoal, DrillOutcome } from './drill-evidence.ts'

export interface DrillVerdict {
  readonly outcome: DrillOutcome
  readonly failure?: DrillFailure
}

/** What a drill that came to a restore has shown against the backups; `undefined` where it has passed. */
export function failureOfDrill(plan: RestorePlan, report: RestoreReport, engineChecks: readonly EngineCheck[]): DrillFailure | undefined {
  const { items, problems } = report
  if (items.length === 0) return { code: 'NOT_FOUND', message: 'nothing was restored', hint: 'Look at what the backup holds with list.' }
  const failed = items.find(({ failure }) => failure !== undefined)
  if (failed?.failure !== undefined) return { ...failed.failure, message: `${failed.item}: ${failed.failure.message}` }
  const different = items.find((item) => !isRestored(item))
  const check = different?.checks.find(({ passed }) => !passed)
  if (different !== undefined) {
    return {
      code: 'INCONSISTENT',
      message: `${different.item} is not as it was backed up: ${check?.name} is ${check?.found}, not ${check?.expected}`,
      hint: 'Restore another backup, and find out whether the restore or the backup is wrong: drill it again with --keep and compare.',
    }
  }
  const left = itemsLeftOut(plan)
  if (left.length > 0) {
    return {
      code: 'NOT_FOUND',
      message: `${left.join(', ')} cannot be restored from this backup, because they failed when it was made`,
      hint: 'Repair what keeps these items from being backed up, and make a full backup.',
    }
  }
  const unsound = engineChecks.find(({ passed }) => !passed)
  if (unsound !== undefined) {
    return {
      code: 'CORRUPTED',
      message: `${unsound.name}: ${unsound.found}, not ${unsound.expected}`,
      hint: 'What was backed up may have been damaged already: check it on the server as well, and drill an older backup.',
    }
  }
  const problem = problems.find(({ severity }) => severity === 'error')
  return problem === undefined ? undefined : { code: problem.code, message: problem.message, hint: problem.hint }
}

/**
 * What is to be said of a drill that has passed: that not every record of the job could be read. One that is damaged may be of the latest state, or would
 * have been drawn, so that a drill of these has failed; whoever named a backup or a moment has seen that it comes back.
 *
 * @param listing what the listing of the job told
 */
export function reservationOf(goal: DrillGoal, listing: readonly Problem[]): DrillVerdict | undefined {
  const damaged = listing.find(({ code }) => isDamage(code))
  const [problem] = damaged === undefined ? listing : [damaged]
  if (problem === undefined) return undefined
  const { code, message, hint } = problem
  const named = 'backup' in goal || 'at' in goal
  const what = `not every backup of the job can be read: ${message}`
  return { outcome: damaged !== undefined && !named ? 'failed' : 'partial', failure: { code, message: what, hint } }
}

/** What a place that could not be removed makes of a drill that has passed. */
export function leftBehind(left: readonly Problem[]): DrillVerdict | undefined {
  const [problem] = left
  return problem === undefined
    ? undefined
    : { outcome: 'partial', failure: { code: problem.code, message: problem.message, hint: problem.hint } }
}

/** What stays of a place, and how to remove it. */
export function leftProblem(name: string, error: unknown): Problem {
  const { code, message, hint } = failureOfError(error)
  return {
    severity: 'warning',
    code: isFailureCode(code) ? code : 'UNKNOWN',
    message: `the scratch place ${name} could not be removed: ${message}`,
    hint: hint ?? `Look whether something still runs in ${name}, end it, and remove what is there.`,
  }
}

/**
 * What an error says of the backups: nothing, where it came before they were restored and is not about what they hold.
 *
 * @param problems that were met before it, such as of records that cannot be read
 */
export function outcomeOfError(error: unknown, restoring: boolean, problems: readonly Problem[]): 'failed' | 'impossible' {
  const codes = [...problems.map(({ code }) => code), ...(BackupError.is(error) ? [error.code] : [])]
  return restoring || codes.some(isDamage) ? 'failed' : 'impossible'
}

function isDamage(code: string): boolean {
  return code === 'CORRUPTED' || code === 'INCONSISTENT'
}

export function failureOfError(error: unknown): DrillFailure {
  if (BackupError.is(error)) return { code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) }
  return { code: 'UNKNOWN', message: error instanceof Error ? error.message : String(error) }
}
