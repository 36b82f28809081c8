import type { CaptureKind, Problem } from '@backup-planet/core'

/** How one run of one task of a job ended. Plain data, holds no secret. */
export interface TaskOutcome {
  readonly job: string
  /** `full`, `differential`, `log`, `follow`, `drill`, `prune`, or another word for what was done. */
  readonly task: string
  /** When it ended, ISO 8601 in UTC. */
  readonly at: string
  /** `aborted`: somebody stopped it, which is neither a failure nor a success. */
  readonly outcome: 'done' | 'partial' | 'failed' | 'aborted'
  readonly seconds?: number | undefined
  readonly failure?: TaskFailure | undefined
  readonly backup?: OutcomeBackup | undefined
  /** Up to when the job can be restored now, ISO 8601; left out where the run has not found out. */
  readonly windowEnd?: string | undefined
  readonly problems?: readonly Problem[] | undefined
}

export interface TaskFailure {
  readonly code: string
  readonly message: string
  readonly hint?: string | undefined
}

export interface OutcomeBackup {
  readonly id: string
  readonly kind: CaptureKind
  /** Of the application, before compression. */
  readonly bytes: number
  /** What it takes in the store, where that is known. */
  readonly storedBytes?: number | undefined
  /** Names of items that failed; empty for a whole backup. */
  readonly failedItems?: readonly string[] | undefined
}

/** A task of a job begins. */
export interface TaskStart {
  readonly job: string
  readonly task: string
  /** ISO 8601 in UTC. */
  readonly at: string
}
