import type { Backup, CaptureKind } from '../contracts/index.ts'
import { type RetryPolicy, retriesByDefault, type SchedulePolicy, type ScheduleTask } from './schedule-policy.ts'

/** What is known of one task of a job. Plain data; moments are milliseconds since 1970. */
export interface TaskHistory {
  /** Slots up to this moment, itself included, are settled: a run that began then fulfilled them, or they were given up or left out. */
  readonly settledUntil: number
  /** A run that has begun and of whose end nothing is known. */
  readonly running?: { readonly slot: number; readonly beganAt: number }
  /** Of a slot that is not settled although it was tried. */
  readonly attempts?: SlotAttempts
  /** The newest run that ended. */
  readonly lastRun?: LastRun
  /** By which its slots come, as far as anybody has watched; left out in what is made of backups. */
  readonly schedule?: TaskSchedule
}

export interface TaskSchedule {
  readonly expression: string
  readonly timezone: string
}

export interface SlotAttempts {
  readonly slot: number
  readonly failures: number
  /** How often a run was cut by the end of its process or by who stopped it: that is no failure, and never a reason to give up. */
  readonly interruptions: number
  readonly notBefore: number
  /** When the first attempt that failed began; left out where none has, and by earlier releases. */
  readonly failingSince?: number
  /** It has failed for more than a moment, so that people are told. */
  readonly lasting?: true
  /** A slot before it has failed too, and nobody was told of that. */
  readonly untoldBefore?: true
}

export interface LastRun {
  readonly slot: number
  readonly beganAt: number
  readonly endedAt: number
  readonly outcome: 'done' | 'partial' | 'failed' | 'aborted'
}

/** What is known of a job, by which `due` decides. It may be lost: `rememberedHistory` makes one of the backups that there are. */
export interface JobHistory {
  /** Since when somebody has been waiting for slots without a pause: with `runMissed: false` those before are left out. */
  readonly watchedSince: number
  readonly tasks: Readonly<Partial<Record<ScheduleTask, TaskHistory>>>
}

export interface BegunRun {
  readonly task: ScheduleTask
  readonly slot: number
  readonly beganAt: number
}

/**
 * - `done`: `kind` is what it became where it made a backup: a full also fulfils what a differential was due for, and what became a full because nothing
 *   else was possible also fulfils the full.
 * - `failed`: is tried again as the policy says, unless `retry` is `false`.
 * - `aborted`: by who stopped the schedule, or with its process. Is made again.
 * - `deferred`: nothing was begun, and is to be tried again after so many seconds.
 */
export type RunEnd =
  | { readonly outcome: 'done' | 'partial'; readonly kind?: CaptureKind }
  | { readonly outcome: 'failed'; readonly retry?: boolean }
  | { readonly outcome: 'aborted' }
  | { readonly outcome: 'deferred'; readonly seconds: number }

export function beginRun(history: JobHistory, { task, slot, beganAt }: BegunRun): JobHistory {
  return withTask(history, task, { ...taskOf(history, task, beganAt), running: { slot, beganAt } })
}

/** What follows from the end of a run. `givenUp` says that its slot is not tried any more. */
export function endRun(
  history: JobHistory,
  run: BegunRun,
  end: RunEnd,
  now: number,
  { retries = retriesByDefault }: Pick<SchedulePolicy, 'retries'>,
): { readonly history: JobHistory; readonly givenUp: boolean } {
  const { running: _, ...before } = taskOf(history, run.task, run.beganAt)
  const tried = triedBefore(before.attempts, run.slot)
  if (end.outcome === 'deferred') {
    const attempts = { ...tried, notBefore: now + end.seconds * 1000 }
    return { history: withTask(history, run.task, { ...before, attempts }), givenUp: false }
  }
  const known = { ...before, lastRun: { slot: run.slot, beganAt: run.beganAt, endedAt: now, outcome: end.outcome } }
  if (end.outcome === 'done' || end.outcome === 'partial') {
    return { history: fulfilled(withTask(history, run.task, known), run, end.kind), givenUp: false }
  }
  const { failures, interruptions, failingSince = run.beganAt } = tried
  const counted =
    end.outcome === 'failed' ? { failures: failures + 1, interruptions, failingSince } : { failures, interruptions: interruptions + 1 }
  if (end.outcome === 'failed' && (end.retry === false || counted.failures > (retries.times ?? Number.POSITIVE_INFINITY))) {
    const { attempts: __, ...settled } = known
    return { history: withTask(history, run.task, { ...settled, settledUntil: Math.max(known.settledUntil, run.slot) }), givenUp: true }
  }
  const attempts = { ...tried, ...counted, notBefore: now + waitSeconds(counted, retries) * 1000 }
  return { history: withTask(history, run.task, { ...known, attempts }), givenUp: false }
}

/** What is known of the attempts of a slot before this one ends. A newer slot begins anew, but for what nobody was told of. */
function triedBefore(attempts: SlotAttempts | undefined, slot: number): Omit<SlotAttempts, 'notBefore'> {
  if (attempts?.slot === slot) return attempts
  return { slot, failures: 0, interruptions: 0, ...(isUntold(attempts) ? { untoldBefore: true } : {}) }
}

/** Whether they, or those of a slot before, have failed and nobody was told. */
function isUntold(attempts: SlotAttempts | undefined): boolean {
  return attempts !== undefined && attempts.lasting !== true && (attempts.failures > 0 || attempts.untoldBefore === true)
}

/** Slots that were left out by `runMissed: false` are settled. What nobody was told of is kept for the next one. */
export function leaveOut(history: JobHistory, task: ScheduleTask, slot: number): JobHistory {
  const { attempts, ...known } = taskOf(history, task, slot)
  const settled = { ...known, settledUntil: Math.max(known.settledUntil, slot) }
  return withTask(history, task, attempts !== undefined && isUntold(attempts) ? { ...settled, attempts } : settled)
}

/**
 * A history of the backups that a repository lists, for who has lost his own. A full fulfils what a full or a differential was due for, as it does
 * when it is made by a schedule; not what a log was due for, since a log more costs little and a log less loses something. A backup that began after
 * now was made by a clock that was wrong, and says nothing.
 */
export function rememberedHistory(backups: readonly Backup[], now: number): JobHistory {
  const whole = backups.filter(({ limitedTo }) => limitedTo === undefined)
  let history: JobHistory = { watchedSince: now, tasks: {} }
  for (const { kind, beganAt } of whole) {
    const began = Date.parse(beganAt)
    if (began <= now) history = fulfilled(history, { task: kind, slot: began, beganAt: began }, kind)
  }
  return history
}

/** The same moments, the later of each. What is running or tried stays that of the first. */
export function laterHistory(history: JobHistory, other: JobHistory): JobHistory {
  let merged = history
  for (const task of Object.keys(other.tasks) as ScheduleTask[]) {
    const { settledUntil } = taskOf(other, task, 0)
    if (settledUntil > taskOf(merged, task, Number.NEGATIVE_INFINITY).settledUntil)
      merged = withTask(merged, task, settle(merged.tasks[task], settledUntil))
  }
  return merged
}

function fulfilled(history: JobHistory, { task, slot, beganAt }: BegunRun, kind: CaptureKind | undefined): JobHistory {
  const until = Math.max(slot, beganAt)
  const tasks = { ...history.tasks, [task]: settle(history.tasks[task], until) }
  if (kind !== undefined && kind !== task) tasks[kind] = settle(tasks[kind], until)
  if (kind === 'full') tasks.differential = settle(tasks.differential, until)
  return { ...history, tasks }
}

function settle(known: TaskHistory | undefined, until: number): TaskHistory {
  const { attempts, ...rest } = known ?? { settledUntil: until }
  const kept = attempts === undefined || attempts.slot <= until ? {} : { attempts }
  return { ...rest, ...kept, settledUntil: Math.max(rest.settledUntil, until) }
}

/** The first run after an interruption is not kept waiting; one that ends its process again and again is. */
function waitSeconds({ failures, interruptions }: Pick<SlotAttempts, 'failures' | 'interruptions'>, retries: RetryPolicy): number {
  const doublings = failures + Math.max(0, interruptions - 1) - 1
  return doublings < 0 ? 0 : Math.min(retries.waitSeconds * 2 ** doublings, longestWait(retries))
}

/** Seconds. */
export function longestWait({ waitSeconds }: RetryPolicy): number {
  return Math.max(waitSeconds, 3600)
}

function taskOf(history: JobHistory, task: ScheduleTask, settledUntil: number): TaskHistory {
  return history.tasks[task] ?? { settledUntil }
}

export function withTask(history: JobHistory, task: ScheduleTask, known: TaskHistory): JobHistory {
  return { ...history, tasks: { ...history.tasks, [task]: known } }
}
