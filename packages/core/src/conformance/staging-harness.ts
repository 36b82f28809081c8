import type { Staging } from '../contracts/index.ts'

/** One empty staging for one check. */
export interface StagingHarness {
  /** With a budget of at least 4 KiB and at most 1 MiB for a stage. */
  readonly staging: Staging
  /** The staging as a new process finds it after this one was killed now: whatever is only in memory is lost, and so are its locks. */
  crash(): Promise<Staging>
  readonly dispose?: () => Promise<void>
}
