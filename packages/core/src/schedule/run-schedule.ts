import type { OperationOptions, Problem } from '../contracts/index.ts'
import type { HeldLease } from './held-lease.ts'
import { type ScheduleClock, systemClock } from './schedule-clock.ts'
import type { ScheduledBackup, ScheduledRun, ScheduleEventListener } from './schedule-event.ts'
import type { JobHistory } from './schedule-history.ts'
import type { SchedulePolicy } from './schedule-policy.ts'
import { ScheduleRunner } from './schedule-runner.ts'

/** The jobs of a schedule, which may be replaced while it runs. */
export interface JobList {
  readonly policies: readonly SchedulePolicy[]
  /** Called when they were replaced. Returns what ends it. */
  onReplaced(listener: () => void): () => void
}

export interface ReplaceableJobList extends JobList {
  /** What runs goes on; what is due is asked anew. */
  replace(policies: readonly SchedulePolicy[]): void
}

/** What was run, by the names of the jobs. Plain data; it may be lost at any time. */
export interface ScheduleState {
  readonly jobs: Readonly<Record<string, JobHistory>>
}

export interface ScheduleStateStore {
  /** `undefined` when there is none. */
  load(): Promise<ScheduleState | undefined>
  save(state: ScheduleState): Promise<void>
}

export interface ScheduledResult {
  /** `failed`: it came to its end, and what it found is a failure that another attempt would find too, such as a drill that does not pass. */
  readonly outcome: 'done' | 'partial' | 'failed'
  readonly failure?: Problem
  /** What was made, where that is a backup. */
  readonly backup?: ScheduledBackup
  readonly problems?: readonly Problem[]
}

export interface ScheduleParts {
  readonly jobs: JobList
  readonly state: ScheduleStateStore
  /** Does the work. What it throws is a failure, unless it was aborted. */
  readonly execute: (run: ScheduledRun, options: { readonly signal: AbortSignal }) => Promise<ScheduledResult>
  /**
   * Before each run; throws a `leaseConflict` while another machine works on the job, and the run is deferred. Whatever else it throws is a failure. Runs are made without it when left
   * out.
   */
  readonly lease?: (job: string, options: OperationOptions) => Promise<HeldLease>
  /**
   * What is known of the runs of a job elsewhere: asked when nothing is known of it here, and after each lease; then only of those that began at `beganSince` or later,
   * milliseconds since 1970.
   */
  readonly recall?: (job: string, options: OperationOptions & { readonly beganSince?: number }) => Promise<JobHistory>
  readonly onEvent?: ScheduleEventListener
  readonly clock?: ScheduleClock
  /** How many jobs run at once; 2 when left out. One more may run where it makes a log, for which runs of other jobs that take hours do not leave a place. One job never runs twice at once. */
  readonly concurrency?: number
  /** For so long what runs may go on after the schedule was stopped, before it is aborted; 0 when left out. */
  readonly graceSeconds?: number
}

export function createJobList(policies: readonly SchedulePolicy[]): ReplaceableJobList {
  let current = policies
  const listeners = new Set<() => void>()
  return {
    get policies() {
      return current
    },
    onReplaced(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    replace(replaced) {
      current = replaced
      for (const listener of listeners) listener()
    },
  }
}

/**
 * Runs jobs when they are due, by `due`, until it is stopped. Looks at the clock once a minute at least, so that it does not matter when the clock is set or
 * the machine sleeps. Resolves after it was stopped and everything has ended; a failure of anything else is told as an event, and never ends it.
 */
export async function runSchedule(parts: ScheduleParts, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  await new ScheduleRunner({ clock: systemClock, concurrency: 2, graceSeconds: 0, ...parts }, signal).run()
}
