import { entriesOf } from './compiled-policy.ts'
import { type JobHistory, type SlotAttempts, withTask } from './schedule-history.ts'
import type { SchedulePolicy, ScheduleTask } from './schedule-policy.ts'

/** So many may fail in a row before the failure counts as a lasting one. */
const quietAttempts = 3
/** And for so long: attempts that take hours before they fail are not waited for. */
const quietMilliseconds = 15 * 60_000

/** What follows a failed run of a slot that is not given up. */
export interface FailureOutlook {
  /** When something of its task begins again, at which a window is open: another attempt, or the run of the next slot. Milliseconds since 1970. */
  readonly retryAt: number
  /** Whether people are to be told. */
  readonly lasting: boolean
}

/**
 * What follows the newest failure of a task that `attempts` tell of. Pure. A failure lasts once too many attempts have failed or the slot has been failing for too long, and where no other can begin before the next slot of
 * the task comes due, since that begins anew: else slots that all fail are told to nobody. For the same reason it lasts from the first time on where a slot before has
 * failed and nobody was told. What lasts does so until the slot is settled.
 */
export function failureOutlook(attempts: SlotAttempts, task: ScheduleTask, policy: SchedulePolicy, now: number): FailureOutlook {
  const entry = entriesOf(policy).find((candidate) => candidate.task === task)
  const next = entry?.slots.next(attempts.slot)
  const nextDue = entry === undefined || next === undefined ? Number.POSITIVE_INFINITY : entry.dueAt(next)
  const opensAt = (moment: number): number => entry?.starts.opensAt(moment) ?? moment
  const { notBefore, failures, failingSince = now, lasting = false, untoldBefore = false } = attempts
  const isLong = failures > quietAttempts || now - failingSince >= quietMilliseconds
  return {
    // The next slot may have come due while the run went on.
    retryAt: opensAt(Math.max(now, Math.min(notBefore, nextDue))),
    lasting: lasting || untoldBefore || isLong || opensAt(notBefore) >= nextDue,
  }
}

/** People are told of what the task has failed with. */
export function withLasting(history: JobHistory, task: ScheduleTask): JobHistory {
  const known = history.tasks[task]
  return known?.attempts === undefined ? history : withTask(history, task, { ...known, attempts: { ...known.attempts, lasting: true } })
}
