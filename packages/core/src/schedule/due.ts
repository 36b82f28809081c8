import { type CompiledEntry, entriesOf } from './compiled-policy.ts'
import type { JobHistory, TaskHistory } from './schedule-history.ts'
import { type SchedulePolicy, type ScheduleTask, scheduleTasks } from './schedule-policy.ts'

/** A run that is due. Moments are milliseconds since 1970. */
export interface DueRun {
  readonly task: ScheduleTask
  /** The newest slot that it is for, */
  readonly slot: number
  /** and how many it stands for, itself included: one run catches up all that passed. */
  readonly slots: number
  /** Since when it is due: when the oldest of them was, its jitter included. */
  readonly since: number
  /** How often it failed already. */
  readonly failures: number
}

/** Slots that are left out, since nobody watched when they passed. */
export interface MissedSlots {
  readonly task: ScheduleTask
  /** The newest of them. */
  readonly slot: number
  readonly slots: number
}

export interface DueReport {
  /** In the order in which they are to run, one after the other; what is due is asked again after each. */
  readonly due: readonly DueRun[]
  /** By `runMissed: false`; they are said again until `leaveOut` has settled them. */
  readonly missed: readonly MissedSlots[]
  /** The next moment at which something more may be due; `undefined` when that never is. */
  readonly nextAt: number | undefined
}

/**
 * What is due now. Pure; throws `INVALID_SETTINGS` for an expression or a time zone that is none, which `checkPolicy` finds beforehand.
 *
 * A slot is fulfilled by a run that began at it or later, so none is repeated when the clock is set back and none is lost when it is set forward.
 * A full goes before everything else, and what a differential is due for as well is fulfilled by it; a log that is due meanwhile follows. While a full that
 * failed waits for its next attempt, logs go on. Of the others goes first what has been due longest.
 */
export function due(now: number, history: JobHistory, policy: SchedulePolicy): DueReport {
  const runs: DueRun[] = []
  const missed: MissedSlots[] = []
  let nextAt = Number.POSITIVE_INFINITY
  for (const entry of entriesOf(policy)) {
    const known = history.tasks[entry.task] ?? { settledUntil: now }
    const settledUntil = policy.runMissed === false ? watchedFrom(entry, known, history.watchedSince, missed) : known.settledUntil
    const { run, next } = dueOf(entry, { ...known, settledUntil }, now)
    if (run !== undefined) runs.push(run)
    if (next !== undefined && next < nextAt) nextAt = next
  }
  return { due: inOrder(runs), missed, nextAt: nextAt === Number.POSITIVE_INFINITY ? undefined : nextAt }
}

function dueOf(entry: CompiledEntry, known: TaskHistory, now: number): { readonly run?: DueRun; readonly next: number | undefined } {
  const { slots, dueAt, starts } = entry
  const oldest = slots.next(known.settledUntil)
  if (oldest === undefined) return { next: undefined }
  const since = dueAt(oldest)
  if (since > now) return { next: starts.opensAt(since) }
  const slot = newestDue(entry, oldest, now)
  const later = slots.next(slot)
  const nextSlot = later === undefined ? undefined : starts.opensAt(dueAt(later))
  // A newer slot is a new beginning: it does not wait for what an older one is waiting for.
  const attempts = known.attempts !== undefined && known.attempts.slot >= slot ? known.attempts : undefined
  const start = starts.opensAt(Math.max(now, attempts?.notBefore ?? now))
  if (start > now) return { next: nextSlot === undefined ? start : Math.min(start, nextSlot) }
  const stands = slot === oldest ? 1 : slots.count(known.settledUntil, slot)
  return { run: { task: entry.task, slot, slots: stands, since, failures: attempts?.failures ?? 0 }, next: nextSlot }
}

/** The newest slot that is due; `oldest` is. */
function newestDue({ slots, dueAt }: CompiledEntry, oldest: number, now: number): number {
  const second = slots.next(oldest)
  if (second === undefined || second > now) return oldest
  const newest = slots.last(oldest - 1, now) ?? oldest
  if (dueAt(newest) <= now) return newest
  return slots.last(oldest - 1, newest - 1) ?? oldest
}

/** Up to where slots are left out that were due before anybody watched; they are added to `missed`. */
function watchedFrom(entry: CompiledEntry, { settledUntil }: TaskHistory, watchedSince: number, missed: MissedSlots[]): number {
  const oldest = entry.slots.next(settledUntil)
  if (oldest === undefined || entry.dueAt(oldest) >= watchedSince) return settledUntil
  const slot = newestDue(entry, oldest, watchedSince - 1)
  missed.push({ task: entry.task, slot, slots: entry.slots.count(settledUntil, slot) })
  return slot
}

function inOrder(runs: readonly DueRun[]): readonly DueRun[] {
  if (runs.length < 2) return runs
  const full = runs.find(({ task }) => task === 'full')
  const others = runs.filter(({ task }) => task !== 'full' && (full === undefined || task !== 'differential'))
  const rank = ({ task }: DueRun) => scheduleTasks.indexOf(task)
  return [...(full === undefined ? [] : [full]), ...others.toSorted((a, b) => a.since - b.since || rank(a) - rank(b))]
}
