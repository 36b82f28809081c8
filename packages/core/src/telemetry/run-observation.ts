import type { RunEvent } from '../events/run-event.ts'

/** One event of a run, with the job and the task that it is of: what whoever runs jobs hands to its observers. */
export interface RunObservation {
  readonly job: string
  /** Such as `full`, `log`, `follow`, `drill` or `prune`. */
  readonly task: string
  readonly event: RunEvent
}

export type RunObserver = (observation: RunObservation) => void
