import type { CaptureKind } from '../contracts/index.ts'
import type { RunOutcome } from '../events/run-event.ts'

/** A program that is run before or after a backup, never through a shell. */
export interface Hook {
  /** The program, by its full path or as it is found on PATH, and its arguments. Holds no secret: every user of the machine can read arguments. */
  readonly command: readonly [string, ...string[]]
  /** After this it is stopped, with all that it started, and counts as failed; 300,000, five minutes, when left out. */
  readonly timeoutMs?: number | undefined
  /**
   * Whether it matters when it fails: an essential one that fails before the run prevents it, one that fails after it is an error of the run.
   * Of any other a failure is a warning. `false` when left out: a backup that is not made is worse than most hooks that fail.
   */
  readonly essential?: boolean | undefined
}

export interface Hooks {
  /** Run one after the other, in this order. Those behind an essential one that failed are not run. */
  readonly before?: readonly Hook[] | undefined
  /** Run one after the other, in this order, whatever became of the run, of the hooks before it, and of each other. */
  readonly after?: readonly Hook[] | undefined
}

/** What is known before a run. */
export interface RunFacts {
  readonly job: string
  readonly kind: CaptureKind
}

/** What is known after a run; what it did not get to is left out. */
export interface FinishedRunFacts extends RunFacts {
  readonly outcome: RunOutcome
  readonly seconds: number
  readonly backup?:
    | { readonly id: string; readonly kind: CaptureKind; readonly bytes: number; readonly storedBytes?: number | undefined }
    | undefined
  /** Why it failed. */
  readonly failure?: { readonly code: string; readonly message: string } | undefined
}
