import { type BackUpReport, BackupError, backUp, type CaptureKind, type ScheduledResult, type ScheduleTask } from '@backup-planet/core'
import type { DaemonTask } from './daemon-task.ts'

/** One backup, as `backup-planet run` makes it. */
export const backupTask: DaemonTask = {
  async run({ job, task }, { workspace, signal, onEvent }) {
    const kind = kindOf(task)
    await using agent = await workspace.agentOf(job)
    if (!agent.supports.kinds.includes(kind)) throw unsupported(agent.application, kind, job)
    await using repository = await workspace.mirroredRepositoryOf(job)
    const report = await backUp({ agent, repository, staging: workspace.staging(), request: { job, kind } }, { signal, onEvent })
    return resultOf(report)
  },
}

function resultOf({ backup, bytes, storedBytes, problems }: BackUpReport): ScheduledResult {
  const { id, kind, consistentAt, status, items } = backup
  const failedItems = items.flatMap(({ item, failure }) => (failure === undefined ? [] : [item]))
  const made = { id, kind, consistentAt, bytes, failedItems, ...(storedBytes === undefined ? {} : { storedBytes }) }
  return { outcome: status === 'partial' ? 'partial' : 'done', backup: made, problems }
}

function kindOf(task: ScheduleTask): CaptureKind {
  if (task === 'drill' || task === 'prune') throw new TypeError(`${task} is no kind of backup`)
  return task
}

function unsupported(application: string, kind: CaptureKind, job: string): BackupError {
  return new BackupError(`the agent for ${application} cannot make ${kind} backups`, {
    code: 'UNSUPPORTED',
    hint: `Take "${kind}" out of the schedule of job ${job}.`,
  })
}
