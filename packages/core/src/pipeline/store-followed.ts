import { setTimeout as delay } from 'node:timers/promises'
import type { Agent, Backup, Capture, Problem, Repository, RunStage, StagedRun, Staging } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { type RunOptions, type RunReporter, reportRun } from '../events/run-reporter.ts'
import { fillAndStore } from './fill-and-store.ts'
import { createRunId } from './run-id.ts'
import { storeCapture } from './store-capture.ts'
import { problemOf, tidy } from './tidy.ts'
import { removeRemains } from './unfinished-runs.ts'

export interface StoreFollowedParts {
  readonly agent: Agent
  readonly repository: Repository
  readonly staging: Staging
  readonly job: string
  readonly capture: Capture
  /** Why what comes before it could not be stored: then it is only staged, so that both are sent in their order. */
  readonly behind?: BackupError
  /** Runs that can never commit and whose remains are still in the repository; they are removed once this is stored. */
  readonly abandonedRuns?: readonly string[]
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
  /** Where it was not stored: when its run began, if it is complete in the staging, from where the next run of the job sends it. */
  readonly keptSince?: Date
  /** Runs that can never commit and whose remains are still in the repository. */
  readonly abandonedRuns: readonly string[]
}

/** While another run of the job goes on, it is waited for so long at a time. */
const conflictPauseMilliseconds = 1000

/**
 * Stores what was received of a server that is followed, as a run of its own: stage, store, confirm. Waits for another run of the job, for as
 * long as that takes, and says so. What is `behind` something that is not stored is staged and never confirmed.
 * Never rejects: what could not be stored is in the staging, if it was complete, or still on the server.
 */
export async function storeFollowed(parts: StoreFollowedParts, options: RunOptions): Promise<FollowedOutcome> {
  const began = (parts.now ?? (() => new Date()))()
  const left: Left = { kept: false, abandonedRuns: parts.abandonedRuns ?? [] }
  try {
    const store = await reportRun(options, async (reporter) => {
      const result = await run(parts, began, left, reporter, options)
      return { result, outcome: 'done' }
    })
    return { store, abandonedRuns: left.abandonedRuns }
  } catch (error) {
    return { error, ...(left.kept ? { keptSince: began } : {}), abandonedRuns: left.abandonedRuns }
  }
}

/** What a run leaves, however it ends. */
interface Left {
  kept: boolean
  abandonedRuns: readonly string[]
}

async function run(
  { agent, repository, staging, job, capture, behind }: StoreFollowedParts,
  began: Date,
  left: Left,
  reporter: RunReporter,
  { signal }: RunOptions,
): Promise<FollowedStore> {
  const { kind } = capture.facts
  const staged = { job, id: createRunId(began), beganAt: began.toISOString(), kind, followed: true }
  reporter.emit({ type: 'started', action: 'backup', job, id: staged.id, application: agent.application, kind })
  let stage: RunStage
  try {
    stage = await beginWhenFree(staging, staged, reporter, signal)
  } catch (error) {
    await tidy(() => capture[Symbol.asyncDispose](), 'the capture could not be released on the server', reporter)
    throw error
  }
  left.abandonedRuns = [...left.abandonedRuns, ...stage.abandonedRuns]
  try {
    if (behind !== undefined) return await stageOnly({ agent, capture, stage, behind }, reporter, signal)
    const { backup } = await storeCapture({ agent, repository, capture, stage }, reporter, signal)
    if (left.abandonedRuns.length > 0) {
      const remains = () => removeRemains(repository, job, left.abandonedRuns, { signal })
      const failure = await tidy(remains, 'what killed runs had sent could not be removed', reporter)
      if (failure === undefined) left.abandonedRuns = []
    }
    await tidy(() => stage.remove(), 'the staged files could not be removed', reporter)
    return { backup, problems: reporter.problems }
  } finally {
    // A staging without a disk keeps nothing, sealed or not.
    left.kept = stage.sealed && staging.streams !== true
    await tidy(() => stage[Symbol.asyncDispose](), 'the staging could not be closed', reporter)
  }
}

interface StageOnlyParts {
  readonly agent: Agent
  readonly capture: Capture
  readonly stage: RunStage
  readonly behind: BackupError
}

/** As where the store fails at once: what fits is staged and sealed for the next run. */
async function stageOnly(
  { agent, capture, stage, behind }: StageOnlyParts,
  reporter: RunReporter,
  signal: AbortSignal | undefined,
): Promise<never> {
  try {
    await fillAndStore({ agent, capture, stage, repository: { store: () => Promise.reject(behind) } }, reporter, signal)
    throw new TypeError(`run ${stage.run.id} was only to be staged`)
  } finally {
    await tidy(() => capture[Symbol.asyncDispose](), 'the capture could not be released on the server', reporter)
  }
}

async function beginWhenFree(staging: Staging, run: StagedRun, reporter: RunReporter, signal: AbortSignal | undefined): Promise<RunStage> {
  for (let told = false; ; told = true) {
    try {
      return await staging.begin(run, { signal })
    } catch (error) {
      if (!BackupError.is(error) || error.code !== 'CONFLICT') throw error
      const problem = problemOf(error, 'what has come is stored when another run of the job has ended')
      if (!told) reporter.emit({ type: 'waiting', seconds: conflictPauseMilliseconds / 1000, problem })
    }
    // Aborted, the next attempt says so.
    await delay(conflictPauseMilliseconds, undefined, { signal }).catch(() => undefined)
  }
}
