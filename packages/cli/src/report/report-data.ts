import type { CaptureKind, DrillOutcome, Gap, Problem, RestoreWindow } from '@backup-planet/core'

/** Everything that a report shows, as plain JSON. Holds no secret. All times are ISO 8601 in UTC. */
export interface ReportData {
  readonly format: 'backup-planet/report/1'
  readonly madeAt: string
  /** Where it was made, and by which release. */
  readonly host: string
  readonly software: string
  readonly jobs: readonly JobReport[]
  readonly repositories: readonly RepositoryReport[]
}

export interface JobReport {
  readonly job: string
  readonly application: string
  /** Names of the repositories of the job, the preferred first. */
  readonly repositories: readonly string[]
  /** Whether the application is restored to moments between two backups. */
  readonly pointInTime: boolean
  /** The latest state that can be restored; left out where none can. */
  readonly restorableUntil?: { readonly at: string; readonly backup: string }
  /** Items that can be restored to the same moments, together. */
  readonly restorable: readonly RestorableGroup[]
  /** So many items have moments of their own that were not worked out. */
  readonly itemsLeftOut: number
  readonly gaps: readonly Gap[]
  /** Newest first. */
  readonly backups: readonly BackupReport[]
  /** Newest first. */
  readonly drills: readonly DrillSummary[]
  /** Errors first. */
  readonly problems: readonly ReportProblem[]
}

export interface RestorableGroup {
  readonly items: readonly string[]
  readonly windows: readonly RestoreWindow[]
}

export interface BackupReport {
  readonly id: string
  readonly kind: CaptureKind
  readonly status: 'complete' | 'partial'
  /** Made of these items only, beside the others. */
  readonly limitedTo?: readonly string[]
  readonly beganAt: string
  readonly consistentAt: string
  readonly seconds: number
  readonly items: number
  readonly failed: readonly { readonly item: string; readonly code: string; readonly message: string; readonly hint?: string }[]
  /** Before compression. */
  readonly bytes: number
  /** What it takes in the first repository that knows. */
  readonly storedBytes?: number
  /** Names of those that hold it. */
  readonly repositories: readonly string[]
}

export interface DrillSummary {
  readonly id: string
  readonly beganAt: string
  readonly seconds: number
  readonly outcome: DrillOutcome
  /** Of its record. `unchecked` where no public key was given. */
  readonly signature: 'verified' | 'refused' | 'unchecked'
  readonly keyId: string
  /** The state that was restored. */
  readonly restoredTo?: string
  readonly backup?: string
  readonly items: number
  readonly checks: { readonly passed: number; readonly failed: number }
  readonly bytes: number
  readonly failure?: { readonly code: string; readonly message: string; readonly hint?: string }
  /** Names of the repositories in which the record lies. */
  readonly repositories: readonly string[]
}

/** `severity` and `code` as in `Problem`, and codes of its own for what only a report sees. */
export interface ReportProblem extends Omit<Problem, 'code'> {
  readonly code: string
}

export interface RepositoryReport {
  readonly name: string
  readonly kind: string
  /** Printable; left out where the repository could not be opened. */
  readonly destination?: string
  /** Left out where it could not be reached, or cannot know. */
  readonly statistics?: {
    readonly backups: number
    readonly storedBytes: number
    readonly unusedBytes: number
    readonly contentBytes: number
    /** `contentBytes` for each byte in the store. */
    readonly ratio?: number
  }
  /** Why it could not be read. */
  readonly problem?: ReportProblem
}
