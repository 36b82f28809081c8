import type { Agent, Problem, ScratchRequest, Uploader } from '../contracts/index.ts'
import { abortError, throwIfAborted } from '../errors/backup-error.ts'
import { type RunOptions, type RunReporter, reportRun } from '../events/run-reporter.ts'
import type { NamedRepository } from '../pipeline/named-repository.ts'
import { createRunId } from '../pipeline/run-id.ts'
import type { ScratchSettings } from '../pipeline/scratch-space.ts'
import { problemOf } from '../pipeline/tidy.ts'
import { DrillAttempt } from './drill-attempt.ts'
import type { DrillGoal, SignedEvidence } from './drill-evidence.ts'
import { type DrillFindings, evidenceOf } from './drill-record.ts'
import { assertDrillGoal } from './evidence-schema.ts'
import { publicKeyOf, signEvidence } from './evidence-signature.ts'
import { storeEvidence } from './evidence-store.ts'

export interface DrillRequest {
  /** Opens the place that is restored to. */
  readonly agent: Agent
  readonly job: string
  /** Of the job, the preferred first. One that cannot be listed is a problem of the record. */
  readonly repositories: readonly NamedRepository[]
  /** Why others of the job could not be opened. */
  readonly unlisted?: readonly Problem[]
  readonly goal: DrillGoal
  /** Items to restore; all that did not fail when left out. */
  readonly items?: readonly string[]
  readonly scratch: Pick<ScratchRequest, 'place' | 'directory' | 'keep' | 'options'>
  /** For files of the backups on their way. */
  readonly files: ScratchSettings
  /** The Ed25519 private key that signs the record, as PEM. */
  readonly key: string
  /** The record is stored in each of these. */
  readonly records: readonly Uploader[]
}

export interface DrillReport {
  readonly signed: SignedEvidence
  /** Where the record lies. */
  readonly stored: readonly { readonly destination: string; readonly key: string }[]
  /** Why it lies not where it should, and what could not be removed. */
  readonly problems: readonly Problem[]
}

/**
 * Restores a backup to a scratch place, compares what came back with what was backed up, asks the application what it thinks of it, removes the place, and
 * stores a signed record of it, whatever came out: a drill that fails is no error. Throws only `ABORTED`, then without a record and with nothing left behind,
 * and before anything is done `INVALID_SETTINGS` for a key that cannot sign and `INVALID_INPUT` for a goal that no record could name; the latter also for an
 * agent whose findings none could hold. The run is `partial` where the drill is; it has `failed` where the drill did not pass or its record is stored nowhere.
 */
export function drill(request: DrillRequest, options: RunOptions = {}): Promise<DrillReport> {
  return reportRun(options, async (reporter) => {
    const report = await run(request, reporter, options)
    const recorded = report.stored.length > 0 || request.records.length === 0
    return { result: report, outcome: recorded ? runOutcomes[report.signed.evidence.outcome] : 'failed' }
  })
}

const runOutcomes = { passed: 'done', partial: 'partial', failed: 'failed', impossible: 'failed' } as const

async function run(request: DrillRequest, reporter: RunReporter, { signal }: RunOptions): Promise<DrillReport> {
  const { agent, job, goal, key } = request
  const beganAt = new Date()
  const id = createRunId(beganAt)
  reporter.emit({ type: 'started', action: 'drill', job, id, application: agent.application })
  throwIfAborted(signal, 'the drill')
  publicKeyOf(key)
  assertDrillGoal(goal)
  const findings: DrillFindings = { chosen: [], restoring: false, engineChecks: [], problems: [] }
  const attempt = new DrillAttempt(request, findings, reporter, signal)
  const found = await attempt.run()
  const facts = {
    id,
    job,
    application: agent.application,
    agentVersion: agent.version,
    beganAt,
    endedAt: new Date(),
    seconds: reporter.seconds,
    bytes: reporter.bytesOf('read'),
    goal,
    ...found,
  }
  const signed = signEvidence(evidenceOf(facts, findings), key)
  const { stored, problems } = await store(request.records, signed, reporter, signal)
  const { outcome, failure } = signed.evidence
  reporter.flush()
  reporter.emit({ type: 'drilled', job, id, outcome, stored: stored.length, ...(failure === undefined ? {} : { failure }) })
  return { signed, stored, problems: [...attempt.left, ...problems] }
}

async function store(
  records: readonly Uploader[],
  signed: SignedEvidence,
  reporter: RunReporter,
  signal: AbortSignal | undefined,
): Promise<Pick<DrillReport, 'stored' | 'problems'>> {
  const stored: { readonly destination: string; readonly key: string }[] = []
  const problems: Problem[] = []
  for (const uploader of records) {
    try {
      stored.push({ destination: uploader.destination, key: await storeEvidence(uploader, signed, { signal }) })
    } catch (error) {
      // Once it lies somewhere the drill has been.
      if (signal?.aborted && stored.length === 0) throw abortError(signal, 'the drill')
      const problem = problemOf(error, `the record of the drill could not be stored in ${uploader.destination}`)
      problems.push(problem)
      reporter.problem(problem)
    }
  }
  return { stored, problems }
}
