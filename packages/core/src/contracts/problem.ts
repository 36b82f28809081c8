import type { FailureCode } from './failure-code.ts'

/** Something found by a check before anything was done. */
export interface Problem {
  /** `error`: the run would fail. `warning`: the run succeeds, and the operator should know. */
  readonly severity: 'error' | 'warning'
  readonly code: FailureCode
  /** Lower-case, with the values in it. */
  readonly message: string
  /** A full sentence that tells the operator what to do, with the exact command or statement where there is one. */
  readonly hint: string
  readonly item?: string
}
