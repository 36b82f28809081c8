import { orderOf } from '../chain/position-order.ts'
import type { Backup, OperationOptions, Problem, RestorePlan, Scratch } from '../contracts/index.ts'
import { abortError, BackupError } from '../errors/backup-error.ts'
import type { RunReporter } from '../events/run-reporter.ts'
import { type ChosenChain, chooseChain } from '../pipeline/chosen-chain.ts'
import { type ListedRepository, listJob } from '../pipeline/named-repository.ts'
import { executeRestore } from '../pipeline/restore.ts'
import type { RestoreGoal } from '../pipeline/restore-goal.ts'
import { restorePlan } from '../pipeline/restore-plan.ts'
import type { DrillRequest } from './drill.ts'
import {
  type DrillVerdict,
  failureOfDrill,
  failureOfError,
  leftBehind,
  leftProblem,
  outcomeOfError,
  reservationOf,
} from './drill-failures.ts'
import type { DrillFindings } from './drill-record.ts'
import { assertRoom } from './drill-room.ts'
import { randomRestorePoint } from './random-restore-point.ts'

/** One restore to a scratch place, with all that is found on the way. */
export class DrillAttempt {
  /** What could not be removed. */
  readonly left: Problem[] = []
  /** What the listing of the job told of records. */
  #listing: readonly Problem[] = []
  readonly #request: DrillRequest
  readonly #findings: DrillFindings
  readonly #reporter: RunReporter
  readonly #operation: OperationOptions

  constructor(request: DrillRequest, findings: DrillFindings, reporter: RunReporter, signal: AbortSignal | undefined) {
    this.#request = request
    this.#findings = findings
    this.#reporter = reporter
    this.#operation = { signal, onProgress: reporter.onProgress }
  }

  /** Throws `ABORTED` alone. */
  async run(): Promise<DrillVerdict> {
    const { signal } = this.#operation
    try {
      const plan = await this.#restore()
      const failure = failureOfDrill(plan, this.#findings.report ?? { items: [], problems: [] }, this.#findings.engineChecks)
      if (failure !== undefined) return { outcome: 'failed', failure }
      return reservationOf(this.#request.goal, this.#listing) ?? leftBehind(this.left) ?? { outcome: 'passed' }
    } catch (error) {
      if (signal?.aborted) throw abortError(signal, 'the drill')
      return { outcome: outcomeOfError(error, this.#findings.restoring, this.#reporter.problems), failure: failureOfError(error) }
    } finally {
      this.#findings.problems.push(...this.#reporter.problems)
    }
  }

  async #restore(): Promise<RestorePlan> {
    const { agent, job, items, unlisted = [] } = this.#request
    const findings = this.#findings
    const told = this.#reporter.problems.length
    const { listed, problems } = await listJob(this.#request.repositories, job, this.#operation)
    this.#listing = this.#reporter.problems.slice(told)
    const missing = [...unlisted, ...problems]
    findings.problems.push(...missing)
    const asked = items === undefined ? {} : { items }
    const to = this.#goal(listed)
    const chain = chooseChain({ agent, job, listed, to, ...asked }, missing)
    findings.chosen = chain.chosen
    const backups = chain.chosen.map(({ backup }) => backup)
    this.#step('make a scratch place')
    const scratch = await openScratch(this.#request, backups, this.#operation)
    try {
      findings.scratch = { name: scratch.name, version: scratch.version }
      findings.problems.push(...scratch.problems)
      const goal = this.#reachable(scratch, to, chain)
      const plan = await restorePlan(
        { agent: scratch.agent, job, repositories: listed, to: goal, ...asked, target: scratch.target },
        this.#operation,
      )
      this.#note(plan)
      await assertRoom(scratch, plan, this.#request.files)
      findings.restoring = true
      const parts = { agent: scratch.agent, repositories: listed, plan, scratch: this.#request.files }
      findings.report = await executeRestore(parts, this.#reporter, this.#operation)
      findings.problems.push(...findings.report.problems)
      this.#step('ask the application what it thinks of what was restored')
      findings.engineChecks = await scratch.check(findings.report, this.#operation)
      return plan
    } finally {
      const keep = this.#request.scratch.keep === true
      if (!keep) this.#step('remove the scratch place')
      await this.#dispose(scratch)
    }
  }

  /** Whatever came of the restore: that something stays is told, and never hides it. */
  async #dispose(scratch: Scratch): Promise<void> {
    try {
      await scratch[Symbol.asyncDispose]()
    } catch (error) {
      const left = leftProblem(scratch.name, error)
      this.left.push(left)
      this.#reporter.problem(left)
    }
  }

  #goal(listed: readonly ListedRepository[]): RestoreGoal {
    const { goal, agent, job, items } = this.#request
    if (!('random' in goal)) return goal
    const listings = listed.map(({ name, backups }) => ({ repository: name, backups }))
    const history = { listings, order: orderOf(agent), ...(items === undefined ? {} : { items }) }
    const drawn = randomRestorePoint(history, agent.supports.pointInTime, goal.random)
    if (drawn !== undefined) return drawn
    throw new BackupError(`job ${job} has no backup that could be restored`, {
      code: 'NOT_FOUND',
      hint: 'Make a full backup, and look at what list and windows show.',
    })
  }

  /** Where no logs can be restored, the backup before them stands for a goal that only chance or time has chosen. */
  #reachable({ restoresLogs, name }: Scratch, to: RestoreGoal, { chosen }: ChosenChain): RestoreGoal {
    const { goal } = this.#request
    const logs = chosen.filter(({ backup }) => backup.kind === 'log')
    if (restoresLogs || logs.length === 0) return to
    const whole = chosen.filter(({ backup }) => backup.kind !== 'log')
    const last = whole.at(-1)?.backup
    if (last === undefined || !('latest' in goal || 'random' in goal)) {
      throw new BackupError(`logs cannot be restored in the scratch place ${name}, and ${logs.at(-1)?.backup.id} is one`, {
        code: 'UNSUPPORTED',
        hint: 'Drill in a private place, or drill a backup that is no log.',
      })
    }
    this.#findings.chosen = whole
    this.#findings.problems.push({
      severity: 'warning',
      code: 'UNSUPPORTED',
      message: `the state of ${last.consistentAt} was drilled, since logs cannot be restored in the scratch place: nothing is known of ${logs.length} behind it`,
      hint: 'Drill in a private place to see whether logs come back.',
    })
    return { backup: last.id }
  }

  /** Throws what stands against the plan. */
  #note(plan: RestorePlan): void {
    this.#findings.plan = plan
    this.#findings.problems.push(...plan.problems)
    for (const { code, message } of plan.chain?.warnings ?? []) this.#findings.problems.push({ severity: 'warning', code, message })
    const error = plan.problems.find(({ severity }) => severity === 'error')
    if (error !== undefined) throw new BackupError(error.message, { code: error.code, hint: error.hint })
  }

  #step(text: string): void {
    this.#reporter.onProgress({ type: 'step', text })
  }
}

async function openScratch(
  { agent, items, scratch }: DrillRequest,
  backups: readonly Backup[],
  options: OperationOptions,
): Promise<Scratch> {
  if (agent.openScratch === undefined) {
    throw new BackupError(`the agent for ${agent.application} opens no scratch place`, {
      code: 'UNSUPPORTED',
      hint: 'Restore to another server with restore, and look at it there.',
    })
  }
  return await agent.openScratch({ ...scratch, backups, ...(items === undefined ? {} : { items }) }, options)
}
