import { type BackUpReport, backUp, type CaptureKind, type Problem, type RunEventListener, runWithHooks } from '@backup-planet/core'
import type { TaskOutcome } from '@backup-planet/notifications'
import { kindOf } from '../commands/command-options.ts'
import { sizeOf } from '../commands/list-command.ts'
import type { SecretMask } from '../configuration/secret-mask.ts'
import { failureFacts } from '../output/failure-text.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { jobHooks } from './job-hooks.ts'

export interface JobRunRequest {
  readonly workspace: Workspace
  readonly job: string
  readonly kind: CaptureKind
  readonly items?: readonly string[] | undefined
  readonly mask: SecretMask
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export interface JobRunOptions {
  readonly signal?: AbortSignal | undefined
  readonly onEvent?: RunEventListener | undefined
  /** How long all hooks after the run may take together once it was aborted; each has its own timeout alone when left out. */
  readonly afterAbortMs?: number | undefined
  /** Called for each hook that failed. */
  readonly onProblem?: ((problem: Problem) => void) | undefined
}

/** How one run ended, for whoever is told of outcomes; with the report of a backup that was made, or the error of one that was not. */
export interface JobRun {
  readonly outcome: TaskOutcome
  readonly made?: { readonly report: BackUpReport; readonly destination: string }
  readonly error?: unknown
}

/** One backup of a job with its hooks, from opening what it needs to closing it. Never rejects. */
export async function runJob({ workspace, job, kind, items, mask, now }: JobRunRequest, options: JobRunOptions): Promise<JobRun> {
  const ended = await runWithHooks(
    {
      ...jobHooks(workspace, job, mask),
      facts: { job, kind },
      run: async () => {
        await using agent = await workspace.agentOf(job)
        kindOf(kind, agent)
        await using repository = await workspace.mirroredRepositoryOf(job)
        const request = { job, kind, ...(items === undefined ? {} : { items }) }
        const report = await backUp({ agent, repository, staging: workspace.staging(), request }, options)
        return { report, destination: repository.destination }
      },
      finished: ({ report }) => ({ outcome: report.backup.status === 'partial' ? 'partial' : 'done', backup: outcomeBackup(report) }),
    },
    options,
  )
  const { outcome, seconds, result, error, problems } = ended
  const at = new Date(now()).toISOString()
  const windowEnd = result === undefined ? undefined : restorableUntil(result.report)
  return {
    outcome: {
      job,
      task: kind,
      at,
      outcome,
      seconds,
      problems: [...problems, ...(result?.report.problems ?? [])],
      ...(result === undefined ? { failure: failureFacts(error) } : { backup: outcomeBackup(result.report) }),
      ...(windowEnd === undefined ? {} : { windowEnd }),
    },
    ...(result === undefined ? { error } : { made: result }),
  }
}

function outcomeBackup({ backup, storedBytes }: BackUpReport) {
  const failedItems = backup.items.filter(({ failure }) => failure !== undefined).map(({ item }) => item)
  return { id: backup.id, kind: backup.kind, bytes: sizeOf(backup), failedItems, ...(storedBytes === undefined ? {} : { storedBytes }) }
}

/** A whole backup can be restored up to its own moment; what is partial or limited to some items moves nothing. */
function restorableUntil({ backup }: BackUpReport): string | undefined {
  return backup.status === 'complete' && backup.limitedTo === undefined ? backup.consistentAt : undefined
}
