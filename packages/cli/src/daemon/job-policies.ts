import { BackupError, type SchedulePolicy } from '@backup-planet/core'
import { schedulePolicy } from '../configuration/schedule-schema.ts'
import type { Workspace } from '../workspace/workspace.ts'
import type { DaemonTasks } from './daemon-task.ts'

/** The jobs that have a schedule. Throws `INVALID_SETTINGS` for work that nobody can do. */
export function policiesOf({ configuration }: Workspace, tasks: DaemonTasks): readonly SchedulePolicy[] {
  return Object.entries(configuration.content.jobs).flatMap(([job, { schedule }]) => {
    if (schedule === undefined) return []
    const policy = schedulePolicy(job, schedule)
    const unknown = Object.keys(policy.entries).find((task) => !Object.hasOwn(tasks, task))
    if (unknown === undefined) return Object.keys(policy.entries).length === 0 ? [] : [policy]
    throw new BackupError(`${configuration.place('jobs', job, 'schedule', unknown)}: there is no ${unknown} to be scheduled`, {
      code: 'INVALID_SETTINGS',
      hint: `Take it out; what can be scheduled is ${Object.keys(tasks).join(', ')}.`,
    })
  })
}
