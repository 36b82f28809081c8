import type { Gap, Problem } from '@backup-planet/core'
import type { BackupReport, DrillSummary, ReportProblem } from './report-data.ts'

export interface JobFindings {
  readonly job: string
  readonly restorable: boolean
  readonly gaps: readonly Gap[]
  /** Newest first. */
  readonly backups: readonly BackupReport[]
  /** Newest first. */
  readonly drills: readonly DrillSummary[]
  /** What could not be read. */
  readonly unread: readonly Problem[]
}

/** What an operator has to know of a job, errors first. What was wrong once and is no more is none: a later backup of the kind was whole, a later drill passed. */
export function problemsOf(findings: JobFindings): readonly ReportProblem[] {
  const problems = [
    ...nothingRestorable(findings),
    ...incomplete(findings),
    ...ofDrills(findings),
    ...findings.unread,
    ...findings.gaps.map(ofGap),
  ]
  return [...problems.filter(({ severity }) => severity === 'error'), ...problems.filter(({ severity }) => severity !== 'error')]
}

function nothingRestorable({ job, restorable, backups, unread }: JobFindings): readonly ReportProblem[] {
  if (restorable) return []
  const message = backups.length === 0 ? `there is no backup of job ${job}` : `nothing of job ${job} can be restored`
  const hint =
    unread.length > 0 ? 'Make what could not be read reachable, then look again.' : `Make a full backup: backup-planet run ${job}`
  return [{ severity: 'error', code: 'NOTHING_RESTORABLE', message, hint }]
}

/** Of the newest backup of each kind: nothing has repaired that yet. */
function incomplete({ backups }: JobFindings): readonly ReportProblem[] {
  const kinds = ['full', 'differential', 'log'] as const
  return kinds.flatMap((kind) => {
    const newest = backups.find((backup) => backup.kind === kind && backup.limitedTo === undefined)
    return (newest?.failed ?? []).map(({ item, code, message, hint }) => ({
      severity: 'error' as const,
      code,
      item,
      message: `not in the newest ${kind} backup ${newest?.id}: ${message}`,
      hint: hint ?? 'Repair the item, or leave it out in the settings of the job, then make a backup.',
    }))
  })
}

function ofDrills({ job, drills }: JobFindings): readonly ReportProblem[] {
  const [newest] = drills
  const refused = drills.filter(({ signature }) => signature === 'refused')
  return [
    ...(newest === undefined || newest.outcome === 'passed' ? [] : [ofFailedDrill(job, newest)]),
    ...refused.slice(0, 10).map(({ id }) => ({
      severity: 'error' as const,
      code: 'WRONG_CREDENTIALS',
      message: `the record of drill ${id} does not verify with the public key`,
      hint: 'It proves nothing. Find out who can write to the repository, or verify it with the key of its time.',
    })),
  ]
}

const outcomeWords = { passed: 'passed', partial: 'passed in part', failed: 'failed', impossible: 'was not possible' } as const

function ofFailedDrill(job: string, { id, outcome, failure }: DrillSummary): ReportProblem {
  return {
    severity: outcome === 'partial' ? 'warning' : 'error',
    code: failure?.code ?? 'DRILL',
    message: `the newest drill ${id} ${outcomeWords[outcome]}${failure === undefined ? '' : `: ${failure.message}`}`,
    hint: failure?.hint ?? `Find the cause and mend it, then drill again: backup-planet drill ${job}`,
  }
}

function ofGap({ kind, message }: Gap): ReportProblem {
  const hints = {
    missing: 'What lies in the gap cannot be restored to. Look for the missing backup in another repository, and for who removed it.',
    delayed: 'Close it with backup-planet copy.',
    foreign: 'Find out who else backs up or purges the logs of the server.',
    forked: 'This is to be expected after a restore; backups before and after it remain restorable.',
  }
  return { severity: 'warning', code: `GAP_${kind.toUpperCase()}`, message, hint: hints[kind] }
}
