import type {
  Agent,
  Backup,
  OperationOptions,
  Problem,
  Repository,
  RestoredFileFacts,
  RestoredItem,
  RestorePlan,
  RestoreReport,
} from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { type RunOptions, type RunReporter, reportRun } from '../events/run-reporter.ts'
import { restorableFiles } from './backup-files.ts'
import { assertItems } from './restore-plan.ts'
import { createRestoredFiles } from './restored-files.ts'
import { type ScratchSettings, ScratchSpace } from './scratch-space.ts'
import { tidy } from './tidy.ts'

export interface RestoreParts {
  readonly agent: Agent
  readonly repository: Repository
  readonly plan: RestorePlan
  readonly scratch: ScratchSettings
}

/**
 * Carries out a plan. Every file is whole and verified on the local disk before the agent sees it (`CORRUPTED` otherwise), and
 * everything local is removed at the end, however it ends; what cannot be removed is a problem in the report. Throws `INVALID_INPUT` for a plan with errors or for another application,
 * `NOT_FOUND` when a backup of the plan is gone.
 */
export function restore(parts: RestoreParts, options: RunOptions = {}): Promise<RestoreReport> {
  return reportRun(options, async (reporter) => {
    const report = await run(parts, reporter, options)
    return { result: report, outcome: restoreOutcome(report, parts.plan) }
  })
}

/** Whether an item is on the target as it was backed up: it did not fail, and everything that was compared is the same. */
export function isRestored({ failure, checks }: RestoredItem): boolean {
  return failure === undefined && checks.every(({ passed }) => passed)
}

/** Items of the backups that a plan leaves out, because they failed when they were backed up. */
export function itemsLeftOut({ items, problems }: RestorePlan): readonly string[] {
  const planned = new Set(items.map(({ item }) => item))
  return [...new Set(problems.flatMap(({ item, code }) => (item === undefined || code !== 'NOT_FOUND' || planned.has(item) ? [] : [item])))]
}

/** `done` when everything that was asked for is on the target, `failed` when no item is; a problem of the report that is an error makes it `partial`. */
export function restoreOutcome({ items, problems }: RestoreReport, plan: RestorePlan): 'done' | 'partial' | 'failed' {
  const restored = items.filter(isRestored).length
  if (restored === 0 && items.length > 0) return 'failed'
  if (restored < items.length || itemsLeftOut(plan).length > 0) return 'partial'
  return problems.some(({ severity }) => severity === 'error') ? 'partial' : 'done'
}

async function run(
  { agent, repository, plan, scratch }: RestoreParts,
  reporter: RunReporter,
  { signal }: RunOptions,
): Promise<RestoreReport> {
  const operation: OperationOptions = { signal, onProgress: reporter.onProgress }
  reporter.emit({ type: 'started', action: 'restore', id: plan.id, application: plan.application })
  throwIfAborted(signal, 'the restore')
  assertExecutable(plan, agent)
  const backups = await findBackups(repository, plan, operation)
  for (const { item, backup } of plan.items) {
    assertItems(
      [item],
      backups.filter(({ id }) => id === backup),
    )
  }
  const inventory: RestoredFileFacts[] = []
  for (const backup of backups) inventory.push(...(await restorableFiles(repository, backup, operation)))
  reporter.expect('read', expectedBytes(plan, inventory))

  const ended = new AbortController()
  const running: OperationOptions = { ...operation, signal: AbortSignal.any([ended.signal, ...(signal === undefined ? [] : [signal])]) }
  const space = await ScratchSpace.create(scratch)
  let report: RestoreReport
  let left: Problem | undefined
  try {
    report = await agent.restore(plan, createRestoredFiles({ repository, backups, inventory, scratch: space }, running), operation)
  } finally {
    // A stream that the agent forgot must not write into a folder that is being removed.
    ended.abort(new BackupError('the restore has ended', { code: 'ABORTED' }))
    left = await tidy(() => space[Symbol.asyncDispose](), 'the local copies of files could not be removed', reporter)
  }
  return left === undefined ? report : { ...report, problems: [...report.problems, left] }
}

function assertExecutable(plan: RestorePlan, agent: Agent): void {
  if (plan.contract !== 'restore-plan/1') throw new TypeError(`unknown plan contract ${String(plan.contract)}`)
  if (plan.application !== agent.application) {
    throw new BackupError(`plan ${plan.id} is for ${plan.application} and the target is ${agent.application}`, {
      code: 'INVALID_INPUT',
      hint: `Choose a target whose agent is ${plan.application}.`,
    })
  }
  const error = plan.problems.find(({ severity }) => severity === 'error')
  if (error === undefined) return
  throw new BackupError(`plan ${plan.id} cannot be carried out: ${error.message}`, { code: error.code, hint: error.hint })
}

async function findBackups(repository: Repository, plan: RestorePlan, options: OperationOptions): Promise<Backup[]> {
  const found = new Map<string, Backup>()
  const wanted = new Set(plan.backups)
  for await (const backup of repository.list({}, options)) if (wanted.has(backup.id)) found.set(backup.id, backup)
  return plan.backups.map((id) => {
    const backup = found.get(id)
    if (backup !== undefined) return backup
    throw new BackupError(`backup ${id} of the plan is not in ${repository.destination}`, {
      code: 'NOT_FOUND',
      hint: 'It may have been removed since the plan was made; make a new plan.',
    })
  })
}

/** An upper bound: an agent may need less, never more. */
function expectedBytes(plan: RestorePlan, inventory: readonly RestoredFileFacts[]): number {
  const items = new Set(plan.items.map(({ item }) => item))
  return inventory.reduce((sum, file) => (items.has(file.item) ? sum + file.size : sum), 0)
}
