import type { BackUpReport, CaptureKind, Problem, ScheduledResult, ScheduleTask } from '@backup-planet/core'
import { runJob } from '../running/job-run.ts'
import type { DaemonTask } from './daemon-task.ts'
import { hooksLimitOf } from './stop-limits.ts'

/** One backup with its hooks, as `backup-planet run` makes it. */
export const backupTask: DaemonTask = {
  async run({ job, task }, { workspace, signal, onEvent, mask, now }) {
    const onProblem = (problem: Problem): void => onEvent({ type: 'problem', problem })
    const afterAbortMs = hooksLimitOf(workspace.configuration.content)
    const request = { workspace, job, kind: kindOf(task), mask, now }
    const { outcome, made, error } = await runJob(request, { signal, onEvent, onProblem, afterAbortMs })
    if (made === undefined) throw error
    return resultOf(made.report, outcome.outcome === 'done' ? 'done' : 'partial', outcome.problems ?? [])
  },
}

function resultOf(
  { backup, bytes, storedBytes }: BackUpReport,
  outcome: 'done' | 'partial',
  problems: readonly Problem[],
): ScheduledResult {
  const { id, kind, consistentAt, items } = backup
  const failedItems = items.flatMap(({ item, failure }) => (failure === undefined ? [] : [item]))
  const made = { id, kind, consistentAt, bytes, failedItems, ...(storedBytes === undefined ? {} : { storedBytes }) }
  return { outcome, backup: made, problems }
}

function kindOf(task: ScheduleTask): CaptureKind {
  if (task === 'drill' || task === 'prune') throw new TypeError(`${task} is no kind of backup`)
  return task
}
