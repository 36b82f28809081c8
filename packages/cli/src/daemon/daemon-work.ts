import { BackupError, type RunEvent, type ScheduledResult, type ScheduledRun } from '@backup-planet/core'
import type { SecretMask } from '../configuration/secret-mask.ts'
import type { Workspace } from '../workspace/workspace.ts'
import type { DaemonObserver } from './daemon-observer.ts'
import type { DaemonTaskContext, DaemonTasks } from './daemon-task.ts'

export interface DaemonWork extends Pick<DaemonTaskContext, 'mask' | 'now'> {
  readonly tasks: DaemonTasks
  readonly workspace: Workspace
  readonly signal: AbortSignal
  readonly mask: SecretMask
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Those of now: they may have been replaced since the run began. */
  readonly observers: () => Required<DaemonObserver>
}

/** Does what is due. After a full, retention is applied where the job has no time of its own for that; that it failed is told, and does not undo the backup. */
export async function doScheduled(run: ScheduledRun, work: DaemonWork): Promise<ScheduledResult> {
  const result = await perform(run, work)
  const { schedule, retention } = work.workspace.configuration.job(run.job)
  if (result.backup?.kind !== 'full' || retention === undefined || schedule?.prune !== undefined || work.tasks.prune === undefined)
    return result
  try {
    await perform({ ...run, task: 'prune' }, work)
  } catch (error) {
    if (!BackupError.is(error)) throw error
    const { code, message, hint = 'Run "backup-planet prune" by hand to see more.' } = error
    tell(work, run, {
      type: 'problem',
      problem: { severity: 'warning', code, message: `what retention no longer keeps could not be removed: ${message}`, hint },
    })
  }
  return result
}

async function perform(run: ScheduledRun, work: DaemonWork): Promise<ScheduledResult> {
  const { tasks, workspace, signal, mask, now } = work
  const task = tasks[run.task]
  if (task === undefined) throw new TypeError(`nobody can do a ${run.task}`)
  return await task.run(run, { workspace, signal, mask, now, onEvent: (event) => tell(work, run, event) })
}

function tell({ observers }: DaemonWork, { job, task }: ScheduledRun, event: RunEvent): void {
  observers().onRunEvent({ job, task, event })
}
