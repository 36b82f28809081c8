import type { RunEventListener, ScheduledResult, ScheduledRun, ScheduleTask } from '@backup-planet/core'
import type { SecretMask } from '../configuration/secret-mask.ts'
import type { Workspace } from '../workspace/workspace.ts'

export interface DaemonTaskContext {
  /** As the configuration was when the run began. */
  readonly workspace: Workspace
  readonly signal: AbortSignal
  readonly onEvent: RunEventListener
  readonly mask: SecretMask
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** One kind of work that the daemon does by schedule. What it throws is told as a failure, and tried again as the schedule says. */
export interface DaemonTask {
  run(run: ScheduledRun, context: DaemonTaskContext): Promise<ScheduledResult>
}

/** What is left out is refused in the schedule of a job. */
export type DaemonTasks = Readonly<Partial<Record<ScheduleTask, DaemonTask>>>
