import { setTimeout as delay } from 'node:timers/promises'
import type { Agent, Backup, Capture, Problem, Repository, RunStage, StagedRun, Staging } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { type RunOptions, type RunReporter, reportRun } from '../events/run-reporter.ts'
import { createRunId } from './run-id.ts'
import { storeCapture } from './store-capture.ts'
import { tidy } from './tidy.ts'

export interface StoreFollowedParts {
  readonly agent: Agent
  readonly repository: Repository
  readonly staging: Staging
  readonly job: string
  readonly capture: Capture
  readonly now?: () => Date
}

export interface FollowedStore {
  readonly backup: Backup
  readonly problems: readonly Problem[]
}

/** What came of a capture: stored, or why not. */
export interface FollowedOutcome {
  readonly store?: FollowedStore
  readonly error?: unknown
}

/** While another run of the job goes on, it is waited for so long at a time. */
const conflictPauseMilliseconds = 1000

/**
 * Stores what was received of a server that is followed, as a run of its own: stage, store, confirm. Waits for another run of the job.
 * Never rejects: what could not be stored is in the staging, if it was complete, or still on the server.
 */
export async function storeFollowed({ capture, ...parts }: StoreFollowedParts, options: RunOptions): Promise<FollowedOutcome> {
  try {
    const store = await reportRun(options, async (reporter) => {
      const result = await run(parts, capture, reporter, options)
      return { result, outcome: 'done' }
    })
    return { store }
  } catch (error) {
    return { error }
  }
}

async function run(
  { agent, repository, staging, job, now = () => new Date() }: Omit<StoreFollowedParts, 'capture'>,
  capture: Capture,
  reporter: RunReporter,
  { signal }: RunOptions,
): Promise<FollowedStore> {
  const began = now()
  const { kind } = capture.facts
  const staged = { job, id: createRunId(began), beganAt: began.toISOString(), kind }
  reporter.emit({ type: 'started', action: 'backup', job, id: staged.id, application: agent.application, kind })
  let stage: RunStage
  try {
    stage = await beginWhenFree(staging, staged, signal)
  } catch (error) {
    await tidy(() => capture[Symbol.asyncDispose](), 'the capture could not be released on the server', reporter)
    throw error
  }
  try {
    const { backup } = await storeCapture({ agent, repository, capture, stage }, reporter, signal)
    await tidy(() => stage.remove(), 'the staged files could not be removed', reporter)
    return { backup, problems: reporter.problems }
  } finally {
    await tidy(() => stage[Symbol.asyncDispose](), 'the staging could not be closed', reporter)
  }
}

async function beginWhenFree(staging: Staging, run: StagedRun, signal: AbortSignal | undefined): Promise<RunStage> {
  for (;;) {
    try {
      return await staging.begin(run, { signal })
    } catch (error) {
      if (!BackupError.is(error) || error.code !== 'CONFLICT') throw error
    }
    // Aborted, the next attempt says so.
    await delay(conflictPauseMilliseconds, undefined, { signal }).catch(() => undefined)
  }
}
