import {
  due,
  type JobHistory,
  type LastRun,
  type SchedulePolicy,
  type ScheduleTask,
  scheduleTasks,
  watchNewTasks,
} from '@backup-planet/core'

/** What is known of one task of a job. Times are ISO 8601 in UTC. */
export interface TaskStatus {
  readonly task: ScheduleTask
  readonly schedule: string
  readonly lastRun?: { readonly beganAt: string; readonly endedAt: string; readonly outcome: LastRun['outcome'] }
  /** It began, and its end is not known: it goes on, or its process was cut. */
  readonly runningSince?: string
  /** Failed attempts of the slot that is waited with. */
  readonly failures: number
  /** The moment at which it runs next; the present one when it is due. Left out when there is none. */
  readonly next?: string
}

/** @param now milliseconds since 1970 */
export function taskStatuses(policy: SchedulePolicy, history: JobHistory | undefined, now: number): readonly TaskStatus[] {
  const watched = watchNewTasks(history ?? { watchedSince: now, tasks: {} }, policy, now)
  return scheduleTasks.flatMap((task) => {
    const schedule = policy.entries[task]
    if (schedule === undefined) return []
    const known = watched.tasks[task]
    const report = due(now, watched, { ...policy, entries: { [task]: schedule } })
    const next = report.due.length > 0 ? now : report.nextAt
    return [
      {
        task,
        schedule,
        ...(known?.lastRun === undefined ? {} : { lastRun: lastRunOf(known.lastRun) }),
        ...(known?.running === undefined ? {} : { runningSince: iso(known.running.beganAt) }),
        failures: known?.attempts?.failures ?? 0,
        ...(next === undefined ? {} : { next: iso(next) }),
      },
    ]
  })
}

function lastRunOf({ beganAt, endedAt, outcome }: LastRun): NonNullable<TaskStatus['lastRun']> {
  return { beganAt: iso(beganAt), endedAt: iso(endedAt), outcome }
}

function iso(moment: number): string {
  return new Date(moment).toISOString()
}
