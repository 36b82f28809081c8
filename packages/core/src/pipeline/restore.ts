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
import type { ChosenBackup } from './chosen-chain.ts'
import { assertItems } from './item-assertion.ts'
import type { NamedRepository } from './named-repository.ts'
import { createRestoredFiles } from './restored-files.ts'
import { type ScratchSettings, ScratchSpace } from './scratch-space.ts'
import { tidy } from './tidy.ts'

interface PartsOfRestore {
  readonly agent: Agent
  readonly plan: RestorePlan
  readonly scratch: ScratchSettings
}

/** From one repository, or from those that the plan was made with, under the same names. */
export type RestoreParts = PartsOfRestore & ({ readonly repository: Repository } | { readonly repositories: readonly NamedRepository[] })

/**
 * Carries out a plan. Every file is whole and verified on the local disk before the agent sees it (`CORRUPTED` otherwise), and
 * everything local is removed at the end, however it ends; what cannot be removed is a problem in the report. Throws `INVALID_INPUT` for a plan with errors or for another application,
 * `NOT_FOUND` when a backup of the plan is gone, or the repository that it is read from is not among those given.
 */
export function restore(parts: RestoreParts, options: RunOptions = {}): Promise<RestoreReport> {
  return reportRun(options, async (reporter) => {
    const { plan } = parts
    reporter.emit({ type: 'started', action: 'restore', id: plan.id, application: plan.application })
    const report = await executeRestore(parts, reporter, options)
    return { result: report, outcome: restoreOutcome(report, plan) }
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

/** As {@link restore}, within a run that is already told of. */
export async function executeRestore(
  parts: RestoreParts,
  reporter: RunReporter,
  { signal }: Pick<RunOptions, 'signal'>,
): Promise<RestoreReport> {
  const { agent, plan, scratch } = parts
  const operation: OperationOptions = { signal, onProgress: reporter.onProgress }
  throwIfAborted(signal, 'the restore')
  assertExecutable(plan, agent)
  const chosen = await findBackups(parts, operation)
  const backups = chosen.map(({ backup }) => backup)
  for (const { item, backup } of plan.items) {
    assertItems(
      [item],
      backups.filter(({ id }) => id === backup),
    )
  }
  const inventory: RestoredFileFacts[] = []
  for (const { backup, from } of chosen) inventory.push(...(await restorableFiles(from.repository, backup, operation)))
  reporter.expect('read', expectedBytes(plan, inventory))

  const ended = new AbortController()
  const running: OperationOptions = { ...operation, signal: AbortSignal.any([ended.signal, ...(signal === undefined ? [] : [signal])]) }
  const space = await ScratchSpace.create(scratch)
  let report: RestoreReport
  let left: Problem | undefined
  try {
    report = await agent.restore(plan, createRestoredFiles({ chosen, inventory, scratch: space }, running), operation)
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

/** The backups of a plan, each where the plan says that it is read. */
async function findBackups(parts: RestoreParts, options: OperationOptions): Promise<ChosenBackup[]> {
  const { plan } = parts
  const given = 'repositories' in parts ? parts.repositories : [{ name: parts.repository.destination, repository: parts.repository }]
  const places = plan.backups.map((id) => ({ id, from: placeOf(id, plan, given) }))
  const found = new Map<string, Backup>()
  for (const from of new Set(places.map((place) => place.from))) {
    const wanted = new Set(places.flatMap((place) => (place.from === from ? [place.id] : [])))
    for await (const backup of from.repository.list({}, options)) if (wanted.has(backup.id)) found.set(backup.id, backup)
  }
  return places.map(({ id, from }) => {
    const backup = found.get(id)
    if (backup !== undefined) return { backup, from }
    throw new BackupError(`backup ${id} of the plan is not in ${from.repository.destination}`, {
      code: 'NOT_FOUND',
      hint: 'It may have been removed since the plan was made; make a new plan.',
    })
  })
}

/** Where there is only one it is read from that, whatever the plan calls it. */
function placeOf(id: string, plan: RestorePlan, given: readonly NamedRepository[]): NamedRepository {
  const name = plan.chain?.backups.find((backup) => backup.id === id)?.repository
  const place = given.length === 1 ? given[0] : given.find((repository) => repository.name === name)
  if (place !== undefined) return place
  const from = name === undefined ? 'no repository that it names' : `the repository "${name}", which was not given`
  throw new BackupError(`plan ${plan.id} reads backup ${id} from ${from}`, {
    code: 'NOT_FOUND',
    hint: 'Give the repositories that the plan was made with, under the same names, or make a new plan.',
  })
}

/** An upper bound: an agent may need less, never more. */
function expectedBytes(plan: RestorePlan, inventory: readonly RestoredFileFacts[]): number {
  const items = new Set(plan.items.map(({ item }) => item))
  return inventory.reduce((sum, file) => (items.has(file.item) ? sum + file.size : sum), 0)
}
