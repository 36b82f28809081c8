import type { CaptureKind, Phase, Problem } from '../contracts/index.ts'

export type RunAction = 'backup' | 'restore' | 'files' | 'verify' | 'copy' | 'prune' | 'drill'
export type RunOutcome = 'done' | 'partial' | 'failed' | 'aborted'

/** Everything that happens during one operation, for people, logs and metrics alike. Plain data, holds no secret. */
export type RunEvent =
  | {
      readonly type: 'started'
      readonly action: RunAction
      readonly job?: string
      readonly id?: string
      readonly application?: string
      readonly kind?: CaptureKind
    }
  /** A sealed run that an earlier attempt could not send is sent first; `bytes` of the phase `store` are of it until `stored`. */
  | { readonly type: 'resuming'; readonly id: string }
  /** Another kind of backup is made than was asked for, because the agent found that the one asked for cannot follow what is there. */
  | { readonly type: 'promoted'; readonly asked: CaptureKind; readonly kind: CaptureKind; readonly reason?: string }
  /** A server is followed from now on: what comes is stored as it comes, each time as a run of its own. */
  | { readonly type: 'following'; readonly job: string }
  /** While a server is followed: everything that was changed before this moment of its clock, ISO 8601 in UTC, can be restored, by this backup as the last. */
  | { readonly type: 'restorable'; readonly until: string; readonly id: string }
  /**
   * Following could not go on, and begins again after so many seconds. Between `started` and `finished`: what has come is received but not stored while
   * another run of the job goes on, for as long as that takes; after every so many seconds it is tried again, which is not said again. `repeated`: for the
   * same reason as the time before, and nothing was followed in between.
   */
  | { readonly type: 'waiting'; readonly seconds: number; readonly problem: Problem; readonly repeated?: boolean }
  /** A step of the plan begins, in the words of the plan. */
  | { readonly type: 'step'; readonly text: string }
  | {
      readonly type: 'item'
      readonly phase: Phase
      readonly item: string
      readonly state: 'begun' | 'ended' | 'failed'
      readonly bytesTotal?: number
    }
  | {
      readonly type: 'bytes'
      readonly phase: Phase
      /** The item that moved last. */
      readonly item?: string
      /** Of this phase since the start. */
      readonly bytes: number
      /** Of this phase at its end, where it is known. */
      readonly expected?: number
      readonly rows?: number
      /** Bytes per second, smoothed over some seconds. */
      readonly rate: number
    }
  /** The capture is complete: the server is not read any more, and only storing is left. */
  | { readonly type: 'captured'; readonly items: number; readonly failed: number; readonly bytes: number }
  /** No byte has moved for so many seconds. */
  | { readonly type: 'stalled'; readonly seconds: number }
  | { readonly type: 'problem'; readonly problem: Problem }
  /** A backup is committed. */
  | {
      readonly type: 'stored'
      readonly id: string
      readonly status: 'complete' | 'partial'
      /** It was captured by an earlier run that could not send it. */
      readonly resumed: boolean
      /** What it takes in the store, compressed and encrypted; left out where the repository cannot know. */
      readonly storedBytes?: number
    }
  /** A backup was removed, as the retention says: it is listed no more. */
  | { readonly type: 'removed'; readonly id: string; readonly kind: CaptureKind }
  /** A drill has ended, and this is its record. `stored`: in how many places it lies. */
  | {
      readonly type: 'drilled'
      readonly job: string
      readonly id: string
      readonly outcome: 'passed' | 'partial' | 'failed' | 'impossible'
      readonly stored: number
      readonly failure?: { readonly code: string; readonly message: string; readonly hint?: string }
    }
  /** The application was told that its data is safe. */
  | { readonly type: 'confirmed'; readonly id: string }
  | { readonly type: 'finished'; readonly outcome: RunOutcome; readonly seconds: number; readonly bytes: number }

export type RunEventListener = (event: RunEvent) => void
