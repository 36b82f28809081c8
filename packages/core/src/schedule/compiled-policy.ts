import { madeOnce } from '../time/made-once.ts'
import { timeZone } from '../time/time-zone.ts'
import { type CronExpression, parseCron } from './cron-expression.ts'
import { type SchedulePolicy, type ScheduleTask, scheduleTasks } from './schedule-policy.ts'
import { jitterOf } from './slot-jitter.ts'
import { type SlotTimes, slotTimes } from './slot-times.ts'
import { type StartTimes, startTimes } from './start-windows.ts'

/** One entry of a policy, ready to be asked. Moments are milliseconds since 1970. */
export interface CompiledEntry {
  readonly task: ScheduleTask
  readonly slots: SlotTimes
  readonly starts: StartTimes
  /** When a slot is due: the slot and its jitter, before the next slot. */
  dueAt(slot: number): number
}

const compiled = new WeakMap<SchedulePolicy, readonly CompiledEntry[]>()
const expressions = new Map<string, CronExpression>()

/** The entries in the order of `scheduleTasks`. Throws `INVALID_SETTINGS` for an expression or a time zone that is none. */
export function entriesOf(policy: SchedulePolicy): readonly CompiledEntry[] {
  return madeOnce(compiled, policy, () => compile(policy))
}

function compile({ job, entries, timezone, jitterSeconds = 0, windows = [] }: SchedulePolicy): readonly CompiledEntry[] {
  const zone = timeZone(timezone)
  return scheduleTasks.flatMap((task) => {
    const text = entries[task]
    if (text === undefined) return []
    const slots = slotTimes(
      madeOnce(expressions, text, () => parseCron(text)),
      zone,
    )
    const jitter = jitterOf({ job, task, limitSeconds: jitterSeconds })
    const dueAt = jitterSeconds === 0 ? (slot: number) => slot : (slot: number) => slot + jitter(slot, slots.next(slot))
    return [{ task, slots, starts: startTimes(task, windows, zone), dueAt }]
  })
}
