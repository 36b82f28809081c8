import type { CaptureKind, Problem } from '../contracts/index.ts'
import type { ScheduleTask } from './schedule-policy.ts'

/** One run of a schedule. Times are ISO 8601 in UTC. */
export interface ScheduledRun {
  readonly job: string
  readonly task: ScheduleTask
  /** The newest slot that it is for, */
  readonly slot: string
  /** and how many it stands for: more than one when it makes up for what was missed. */
  readonly slots: number
  /** From 1; more when earlier ones failed. */
  readonly attempt: number
  readonly beganAt: string
}

/** A backup that a run made. */
export interface ScheduledBackup {
  readonly id: string
  /** May be another than was asked for. */
  readonly kind: CaptureKind
  /** The moment that it is of. ISO 8601 in UTC. */
  readonly consistentAt: string
  /** Of the application, before compression. */
  readonly bytes: number
  /** What it takes in the store; left out where the repository cannot know. */
  readonly storedBytes?: number
  /** Names of the items that failed. */
  readonly failedItems: readonly string[]
}

export type ScheduledOutcome = 'done' | 'partial' | 'failed' | 'aborted'

/** What a schedule tells. Plain data, holds no secret. */
export type ScheduleEvent =
  | { readonly type: 'run-started'; readonly run: ScheduledRun }
  | {
      readonly type: 'run-ended'
      readonly run: ScheduledRun
      readonly outcome: ScheduledOutcome
      readonly seconds: number
      readonly backup?: ScheduledBackup
      /** What it found besides. */
      readonly problems: readonly Problem[]
      /** Why it failed or was aborted. */
      readonly failure?: Problem
      /** When it is tried again: at which a window lets it begin, and with the next slot where that comes due before. Left out where it is not. */
      readonly retryAt?: string
      /**
       * It failed, and not only for a moment: three attempts before it have failed too, or the first of them began a quarter of an hour ago, or its next slot comes due before another can begin, or a slot before it has failed too
       * and was not said to last, or it is given up. Who tells people of failures waits for this.
       */
      readonly lasting: boolean
      /** It failed, and its slots are not tried any more. */
      readonly givenUp: boolean
    }
  /** It could not begin, since somebody else holds the lease of the job, and is tried again after so many seconds. */
  | { readonly type: 'run-deferred'; readonly run: ScheduledRun; readonly seconds: number; readonly problem: Problem }
  /** Another machine had made it when it could begin. */
  | { readonly type: 'run-fulfilled-elsewhere'; readonly run: ScheduledRun }
  /** Slots that passed while nobody watched are left out, by `runMissed: false`. */
  | { readonly type: 'slots-left-out'; readonly job: string; readonly task: ScheduleTask; readonly slot: string; readonly slots: number }
  /** Nothing can begin before this moment; left out when nothing ever will. */
  | { readonly type: 'idle'; readonly nextAt?: string; readonly running: number }
  /** What was run before could not be read from the repository: the job begins with its next slots. */
  | { readonly type: 'history-unknown'; readonly job: string; readonly problem: Problem }
  /** What surrounds a run failed, by a mistake in the program; the job is looked at again after a minute. */
  | { readonly type: 'schedule-broken'; readonly job: string; readonly problem: Problem }
  /** What was run is not noted; it goes on. */
  | { readonly type: 'state-unsaved'; readonly problem: Problem }

export type ScheduleEventListener = (event: ScheduleEvent) => void
