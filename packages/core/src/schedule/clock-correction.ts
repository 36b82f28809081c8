import { dayMilliseconds } from '../time/time-zone.ts'
import { entriesOf } from './compiled-policy.ts'
import { type JobHistory, longestWait, type TaskHistory, withTask } from './schedule-history.ts'
import { retriesByDefault, type SchedulePolicy, type ScheduleTask } from './schedule-policy.ts'
import type { SlotTimes } from './slot-times.ts'

const longestTolerance = 3 * 3_600_000
/** An expression may be for one day in 40 years. */
const longestAgo = 50 * 366 * dayMilliseconds

/** No slot repeats itself when a clock is set back by less than this: the interval of the schedule that the clock stands in, and three hours at most. */
export function clockTolerance(slots: SlotTimes, now: number): number {
  const last = slots.last(now - longestTolerance, now)
  const next = last === undefined ? undefined : slots.next(now)
  return last === undefined || next === undefined ? longestTolerance : Math.min(next - last, longestTolerance)
}

/**
 * What a clock that was set back makes of a history; the same where nothing is to be corrected. What is settled further in the future than the tolerance was settled by
 * a clock that was wrong: nobody knows for how long nothing was made, so the newest slot that has passed is due again. A wait is no longer than it could have been.
 */
export function afterClockWasSet(history: JobHistory, now: number, policy: SchedulePolicy): JobHistory {
  let corrected = history
  for (const task of Object.keys(history.tasks) as ScheduleTask[]) {
    const known = history.tasks[task]
    if (known === undefined) continue
    const changed = afterTask(known, entriesOf(policy).find((entry) => entry.task === task)?.slots, now, policy)
    if (changed !== known) corrected = withTask(corrected, task, changed)
  }
  return corrected.watchedSince > now ? { ...corrected, watchedSince: now } : corrected
}

function afterTask(
  known: TaskHistory,
  slots: SlotTimes | undefined,
  now: number,
  { retries = retriesByDefault }: SchedulePolicy,
): TaskHistory {
  const latest = now + longestWait(retries) * 1000
  const { settledUntil, attempts } = known
  if (settledUntil <= now && (attempts === undefined || (attempts.slot <= now && attempts.notBefore <= latest))) return known
  const limit = now + (slots === undefined ? longestTolerance : clockTolerance(slots, now))
  const { attempts: _, ...rest } = known
  if (settledUntil > limit) return { ...rest, settledUntil: beforeNewest(slots, now) }
  if (attempts !== undefined && attempts.slot > limit) return rest
  return attempts === undefined || attempts.notBefore <= latest ? known : { ...known, attempts: { ...attempts, notBefore: latest } }
}

/** So that the newest slot that has passed is due; now where there is none. */
function beforeNewest(slots: SlotTimes | undefined, now: number): number {
  const newest = slots?.last(now - longestAgo, now)
  return newest === undefined ? now : newest - 1
}
