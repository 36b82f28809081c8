import { BackupError } from '../errors/backup-error.ts'
import { timeZone } from '../time/time-zone.ts'
import { parseCron } from './cron-expression.ts'
import { endRun, type JobHistory, type TaskHistory, type TaskSchedule, withTask } from './schedule-history.ts'
import type { SchedulePolicy, ScheduleTask } from './schedule-policy.ts'
import { type SlotTimes, slotTimes } from './slot-times.ts'

/** Of a job that is watched from now on: what it has no history of begins with the next slot. */
export function beginWatching(history: JobHistory | undefined, policy: SchedulePolicy, now: number): JobHistory {
  return endUnfinished(watchNewTasks({ watchedSince: now, tasks: history?.tasks ?? {} }, policy, now), now, policy)
}

/**
 * Of a job whose policy was changed; the same history where nothing of it was. A task that is new begins with its next slot, as does one whose expression or time zone
 * was changed; only where a slot of the old one was still to be made, those of the new one since the last run count.
 */
export function watchNewTasks(history: JobHistory, { entries, timezone }: SchedulePolicy, now: number): JobHistory {
  let watched = history
  for (const [task, expression] of Object.entries(entries) as [ScheduleTask, string][]) {
    const known = history.tasks[task]
    const { schedule } = known ?? {}
    if (schedule !== undefined && schedule.expression === expression && schedule.timezone === timezone) continue
    watched = withTask(watched, task, { ...beginSchedule(known, now), schedule: { expression, timezone } })
  }
  return watched
}

function beginSchedule(known: TaskHistory | undefined, now: number): TaskHistory {
  if (known?.schedule === undefined) return known ?? { settledUntil: now }
  const { attempts: _, ...rest } = known
  const outstanding = slotsOf(known.schedule)?.next(known.settledUntil)
  return outstanding !== undefined && outstanding <= now ? rest : { ...rest, settledUntil: Math.max(rest.settledUntil, now) }
}

/** `undefined` where another release wrote what this one does not understand. */
function slotsOf({ expression, timezone }: TaskSchedule): SlotTimes | undefined {
  try {
    return slotTimes(parseCron(expression), timeZone(timezone))
  } catch (error) {
    if (BackupError.is(error)) return undefined
    throw error
  }
}

/** A process that ended in the middle of a run interrupted it. */
function endUnfinished(history: JobHistory, now: number, policy: SchedulePolicy): JobHistory {
  let ended = history
  for (const task of Object.keys(history.tasks) as ScheduleTask[]) {
    const running = history.tasks[task]?.running
    if (running !== undefined) ended = endRun(ended, { task, ...running }, { outcome: 'aborted' }, now, policy).history
  }
  return ended
}
