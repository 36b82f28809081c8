import type { CaptureKind, Problem } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { type DueRun, due } from './due.ts'
import { failureOutlook, withLasting } from './failure-outlook.ts'
import type { HeldLease } from './held-lease.ts'
import { isLeaseConflict } from './lease-conflict.ts'
import { problemOf } from './run-failure.ts'
import type { ScheduledResult } from './run-schedule.ts'
import type { ScheduledRun, ScheduleEvent } from './schedule-event.ts'
import { type BegunRun, beginRun, endRun, type JobHistory, laterHistory, type RunEnd } from './schedule-history.ts'
import type { SchedulePolicy } from './schedule-policy.ts'
import type { RunnerParts } from './schedule-runner.ts'

export interface RunOnceParts extends RunnerParts {
  readonly policy: SchedulePolicy
  /** Nothing begins any more. */
  readonly stop: AbortSignal
  /** What runs is to end. */
  readonly abort: AbortSignal
  history(): JobHistory
  note(history: JobHistory): Promise<void>
  tell(event: ScheduleEvent): void
}

/** Somebody else works on the job: how soon it is tried again. */
const deferredSeconds = 30

const captureKinds: readonly CaptureKind[] = ['full', 'differential', 'log']

/** What another attempt cannot change. */
const permanent = new Set(['INVALID_SETTINGS', 'INVALID_INPUT', 'WRONG_CREDENTIALS', 'UNSUPPORTED'])

/** One run: lease, what others did meanwhile, the work, what follows from its end. */
export async function runOnce(parts: RunOnceParts, wanted: DueRun): Promise<void> {
  const { policy, clock, stop } = parts
  if (parts.lease === undefined) return await perform(parts, wanted, undefined)
  let lease: HeldLease
  try {
    lease = await parts.lease(policy.job, { signal: stop })
  } catch (error) {
    if (stop.aborted) return
    const [begun, run] = [begunOf(wanted, clock.now()), runOf(policy.job, wanted, clock.now())]
    return isLeaseConflict(error) ? await defer(parts, begun, run, error) : await end(parts, begun, run, { error })
  }
  try {
    const still = await stillDue(parts, wanted)
    if (still !== undefined && !stop.aborted) await perform(parts, still, lease)
  } finally {
    await lease.release()
  }
}

/** Another machine may have made it while this one waited for the lease. */
async function stillDue(parts: RunOnceParts, wanted: DueRun): Promise<DueRun | undefined> {
  const { recall, policy, clock, stop } = parts
  if (recall === undefined) return wanted
  // Where it cannot be asked, the run itself says why.
  const elsewhere = await recall(policy.job, { signal: stop, beganSince: oldestSettled(parts.history(), policy) }).catch(() => undefined)
  if (elsewhere === undefined) return wanted
  const history = laterHistory(parts.history(), elsewhere)
  if (history === parts.history()) return wanted
  await parts.note(history)
  const still = due(clock.now(), history, policy).due.find(({ task }) => task === wanted.task)
  if (still === undefined) parts.tell({ type: 'run-fulfilled-elsewhere', run: runOf(policy.job, wanted, clock.now()) })
  return still
}

/** A backup that began before this moment settles nothing that is not settled. */
function oldestSettled({ tasks }: JobHistory, { entries }: SchedulePolicy): number {
  const kinds = captureKinds.filter((kind) => entries[kind] !== undefined)
  return kinds.length === 0 ? 0 : Math.min(...kinds.map((kind) => tasks[kind]?.settledUntil ?? 0))
}

async function perform(parts: RunOnceParts, wanted: DueRun, lease: HeldLease | undefined): Promise<void> {
  const { policy, clock, abort } = parts
  const beganAt = clock.now()
  const begun = begunOf(wanted, beganAt)
  const run = runOf(policy.job, wanted, beganAt)
  await parts.note(beginRun(parts.history(), begun))
  parts.tell({ type: 'run-started', run })
  const began = clock.monotonic()
  const seconds = (): number => Math.round(clock.monotonic() - began) / 1000
  const ended = new AbortController()
  const tooLong = new AbortController()
  const limit = policy.maximumDurationSeconds
  if (limit !== undefined)
    void clock.wait(limit * 1000, ended.signal).then(() => !ended.signal.aborted && tooLong.abort(overdue(run, limit)))
  const signal = AbortSignal.any([abort, tooLong.signal, ...(lease === undefined ? [] : [lease.signal])])
  try {
    const result = await parts.execute(run, { signal })
    await end(parts, begun, run, { result, seconds: seconds() })
  } catch (error) {
    // What came first has ended it: a run that was cut has failed, also where the schedule is stopped before it has come to its end.
    const isCut = signal.aborted && signal.reason !== abort.reason
    const why = isCut ? { error: signal.reason, cut: true } : { error, aborted: abort.aborted }
    await end(parts, begun, run, { ...why, seconds: seconds() })
  } finally {
    ended.abort()
  }
}

interface Failed {
  readonly error: unknown
  readonly seconds?: number
  /** By who stopped the schedule, */
  readonly aborted?: boolean
  /** or by its longest duration or the loss of its lease, which `error` says. */
  readonly cut?: boolean
}

type EndedRun = Exclude<RunEnd, { readonly outcome: 'deferred' }>

type Ended = { readonly result: ScheduledResult; readonly seconds: number } | Failed

/** Nothing has begun, and nothing has failed: somebody else does it, or holds the lease for a moment more. */
async function defer(parts: RunOnceParts, begun: BegunRun, run: ScheduledRun, error: BackupError): Promise<void> {
  const { policy, clock } = parts
  await parts.note(endRun(parts.history(), begun, { outcome: 'deferred', seconds: deferredSeconds }, clock.now(), policy).history)
  parts.tell({ type: 'run-deferred', run, seconds: deferredSeconds, problem: problemOf(error) })
}

async function end(parts: RunOnceParts, begun: BegunRun, run: ScheduledRun, ended: Ended): Promise<void> {
  const { policy, clock } = parts
  const runEnd = 'result' in ended ? resultEnd(ended.result) : endOf(ended)
  const now = clock.now()
  const { history, givenUp } = endRun(parts.history(), begun, runEnd, now, policy)
  const attempts = runEnd.outcome === 'failed' && !givenUp ? history.tasks[begun.task]?.attempts : undefined
  const outlook = attempts === undefined ? undefined : failureOutlook(attempts, begun.task, policy, now)
  await parts.note(outlook?.lasting === true ? withLasting(history, begun.task) : history)
  parts.tell({
    type: 'run-ended',
    run,
    outcome: runEnd.outcome,
    seconds: ended.seconds ?? 0,
    ...('result' in ended && ended.result.backup !== undefined ? { backup: ended.result.backup } : {}),
    ...failureOf(ended),
    problems: 'result' in ended ? (ended.result.problems ?? []) : [],
    ...(outlook === undefined ? {} : { retryAt: new Date(outlook.retryAt).toISOString() }),
    lasting: givenUp || outlook?.lasting === true,
    givenUp,
  })
}

function failureOf(ended: Ended): { readonly failure?: Problem } {
  if ('error' in ended) return { failure: problemOf(ended.error) }
  return ended.result.failure === undefined ? {} : { failure: ended.result.failure }
}

function resultEnd({ outcome, backup }: ScheduledResult): EndedRun {
  if (outcome === 'failed') return { outcome, retry: false }
  return { outcome, ...(backup === undefined ? {} : { kind: backup.kind }) }
}

function endOf({ error, aborted = false, cut = false }: Failed): EndedRun {
  if (aborted) return { outcome: 'aborted' }
  if (cut || !BackupError.is(error)) return { outcome: 'failed' }
  return { outcome: 'failed', retry: !permanent.has(error.code) }
}

function overdue({ job, task }: ScheduledRun, seconds: number): BackupError {
  return new BackupError(`the ${task} of job "${job}" took longer than ${seconds} seconds, and was stopped`, {
    code: 'TIMED_OUT',
    hint: 'See what it spent its time on, or raise maximumDuration in the schedule of the job.',
  })
}

function begunOf({ task, slot }: DueRun, beganAt: number): BegunRun {
  return { task, slot, beganAt }
}

function runOf(job: string, { task, slot, slots, failures }: DueRun, beganAt: number): ScheduledRun {
  return { job, task, slot: new Date(slot).toISOString(), slots, attempt: failures + 1, beganAt: new Date(beganAt).toISOString() }
}
