import type { Agent, Backup, Capture, CaptureKind, OperationOptions, Problem, Repository, Staging } from '../contracts/index.ts'
import { throwIfAborted } from '../errors/backup-error.ts'
import { type RunOptions, type RunReporter, reportRun } from '../events/run-reporter.ts'
import { readChain } from './backup-chain.ts'
import { createRunId } from './run-id.ts'
import { assertFits } from './staging-fit.ts'
import { type StoredCapture, storeCapture } from './store-capture.ts'
import { storeResumed } from './store-resumed.ts'
import { tidy } from './tidy.ts'
import { removeRemains } from './unfinished-runs.ts'

export interface BackUpParts {
  readonly agent: Agent
  readonly repository: Repository
  readonly staging: Staging
  readonly request: { readonly job: string; readonly kind: CaptureKind; readonly items?: readonly string[] }
  /** The clock; the system's when left out. */
  readonly now?: () => Date
  /** Identity of the run; a new one, sortable by time, when left out. */
  readonly id?: string
}

export interface BackUpReport {
  /** What was committed; `partial` when an item failed. */
  readonly backup: Backup
  /** Backups of earlier runs that were only sent now. */
  readonly resumed: readonly Backup[]
  /** Whether the application was told that its data is safe. Never for a partial backup, nor for one that was limited to some items. */
  readonly confirmed: boolean
  readonly problems: readonly Problem[]
  /** Why the backup is of another kind than was asked for; left out where it is not, and where the agent did not say. */
  readonly reason?: string
  readonly seconds: number
  /** Of the phase that moved most, before compression. */
  readonly bytes: number
  /** What `backup` takes in the store, compressed and encrypted; left out where the repository cannot know. */
  readonly storedBytes?: number
}

/**
 * One backup: what earlier runs could not send, then stage → capture → store → confirm → remove the stage.
 *
 * The stage begins before the server is asked for anything: it locks the job, finds out whether there is room, and clears
 * what killed runs of the job left half-filled. What those had sent is removed from the repository at the end.
 *
 * A backup with a failed item is `partial`: it is not confirmed, and the next run does not continue it.
 * Resolves when the backup is committed, whatever fails afterwards (that is in `problems`). Rejects when nothing of this
 * run was committed; a capture that was complete by then stays sealed in the staging, and the next run sends it.
 */
export function backUp(parts: BackUpParts, options: RunOptions = {}): Promise<BackUpReport> {
  return reportRun(options, async (reporter) => {
    const result = await run(parts, reporter, options)
    return { result, outcome: result.backup.status === 'partial' ? 'partial' : 'done' }
  })
}

async function run(parts: BackUpParts, reporter: RunReporter, { signal }: RunOptions): Promise<BackUpReport> {
  const { agent, repository, staging, request } = parts
  const operation: OperationOptions = { signal, onProgress: reporter.onProgress }
  const began = (parts.now ?? (() => new Date()))()
  const staged = {
    job: request.job,
    id: parts.id ?? createRunId(began),
    beganAt: began.toISOString(),
    ...(request.items === undefined ? {} : { limitedTo: request.items }),
  }
  reporter.emit({ type: 'started', action: 'backup', job: staged.job, id: staged.id, application: agent.application, kind: request.kind })
  throwIfAborted(signal, `backing up job "${request.job}"`)

  assertFits(staging, repository)
  const { stored: resumed, givenUp } = await storeResumed({ agent, repository, staging, job: request.job }, reporter, operation)
  const chain = await readChain(repository, request.job, operation)

  let stored: StoredCapture
  let reason: string | undefined
  // The stage first: it holds the lock of the job and finds out whether there is room, before the server is asked for anything.
  const stage = await staging.begin(staged, operation)
  try {
    const capture = await agent.beginCapture({ ...request, chain }, operation)
    reason = tellPromotion(capture, request.kind, reporter)
    stored = await storeCapture({ agent, repository, capture, stage }, reporter, signal)
    await tidy(
      () => removeRemains(repository, staged.job, [...stage.abandonedRuns, ...givenUp], operation),
      'what killed runs had sent could not be removed',
      reporter,
    )
    await tidy(() => stage.remove(), 'the staged files could not be removed', reporter)
  } finally {
    await tidy(() => stage[Symbol.asyncDispose](), 'the staging could not be closed', reporter)
  }
  return {
    backup: stored.backup,
    resumed,
    confirmed: stored.confirmed,
    problems: reporter.problems,
    ...(reason === undefined ? {} : { reason }),
    seconds: reporter.seconds,
    bytes: reporter.bytes,
    ...(stored.storedBytes === undefined ? {} : { storedBytes: stored.storedBytes }),
  }
}

function tellPromotion({ facts: { kind, reason } }: Capture, asked: CaptureKind, reporter: RunReporter): string | undefined {
  if (kind === asked) return undefined
  reporter.emit({ type: 'promoted', asked, kind, ...(reason === undefined ? {} : { reason }) })
  return reason
}
