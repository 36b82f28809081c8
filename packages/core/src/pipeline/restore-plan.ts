import type { Agent, Backup, OperationOptions, Problem, Repository, RestorePlan, RestoreTarget } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { chainTo } from './backup-chain.ts'
import { failureOf } from './backup-files.ts'
import { type ChosenBackup, type ChosenChain, chooseChain, restoreChainOf } from './chosen-chain.ts'
import { assertItems } from './item-assertion.ts'
import { type ListedRepository, listBackups, listJob, type NamedRepository } from './named-repository.ts'
import type { RestoreGoal } from './restore-goal.ts'

interface RestorePlanParts {
  readonly agent: Agent
  /** Items to restore; all that did not fail when left out. */
  readonly items?: readonly string[]
  readonly target: RestoreTarget
}

export interface BackupRestorePlanRequest extends RestorePlanParts {
  readonly repository: Repository
  /** The backup to get to; what it needs before it is found in the repository. */
  readonly backup: Backup
}

export interface GoalRestorePlanRequest extends RestorePlanParts {
  readonly job: string
  /** Of the job, the preferred first; each with what it lists where that is known already. One that cannot be listed is a warning of the plan. */
  readonly repositories: readonly (NamedRepository | ListedRepository)[]
  /** Why others of the job could not be listed; said with the plan, and where there is none. */
  readonly unlisted?: readonly Problem[]
  readonly to: RestoreGoal
}

export type RestorePlanRequest = BackupRestorePlanRequest | GoalRestorePlanRequest

/**
 * What a restore would do, to a backup in one repository or to any goal by the backups in several; changes nothing. Throws `NOT_FOUND` for an item
 * that no backup holds and for a goal that cannot be reached, with the reason and, in the hint, what is nearest before and after; `UNSUPPORTED`
 * for one that an agent without `pointInTime` would have to stop inside a backup for; `INVALID_INPUT` for an item that failed when it was
 * backed up and for a backup of another application.
 */
export async function restorePlan(request: RestorePlanRequest, options: OperationOptions = {}): Promise<RestorePlan> {
  throwIfAborted(options.signal, 'planning the restore')
  const { found, problems } = 'backup' in request ? await chainInOne(request, options) : await chainInSeveral(request, options)
  return await planChosen(request, found, problems, options)
}

interface FoundForPlan {
  readonly found: ChosenChain
  readonly problems: readonly Problem[]
}

async function chainInOne({ agent, repository, backup }: BackupRestorePlanRequest, options: OperationOptions): Promise<FoundForPlan> {
  assertApplication(backup, agent)
  const backups =
    backup.kind === 'full' ? [backup] : chainTo(backup, await listBackups(repository, backup.job, options), agent.comparePositions)
  const from = { name: repository.destination, repository }
  return { found: { chosen: backups.map((one) => ({ backup: one, from })), warnings: [] }, problems: [] }
}

async function chainInSeveral(
  { agent, job, repositories, unlisted = [], to, items }: GoalRestorePlanRequest,
  options: OperationOptions,
): Promise<FoundForPlan> {
  const unknown = repositories.filter((one) => !isListed(one))
  const { listed: looked, problems: found } = await listJob(unknown, job, options)
  const problems = [...unlisted, ...found]
  const known = repositories.flatMap((one) => (isListed(one) ? [one] : looked.filter(({ name }) => name === one.name)))
  const chain = chooseChain({ agent, job, listed: known, to, ...(items === undefined ? {} : { items }) }, problems)
  for (const { backup } of chain.chosen) assertApplication(backup, agent)
  return { found: chain, problems }
}

function isListed(repository: NamedRepository | ListedRepository): repository is ListedRepository {
  return 'backups' in repository
}

function assertApplication(backup: Backup, agent: Agent): void {
  if (backup.application === agent.application) return
  throw new BackupError(`backup ${backup.id} is of ${backup.application} and the target is ${agent.application}`, {
    code: 'INVALID_INPUT',
    hint: `Choose a target whose agent is ${backup.application}.`,
  })
}

async function planChosen(
  { agent, target, items: asked }: RestorePlanRequest,
  found: ChosenChain,
  problems: readonly Problem[],
  options: OperationOptions,
): Promise<RestorePlan> {
  const backups = found.chosen.map(({ backup }) => backup)
  const failed = new Set(backups.flatMap(({ items }) => items.filter(({ failure }) => failure !== undefined).map(({ item }) => item)))
  assertItems(asked ?? [], backups)
  const all = [...new Set(backups.flatMap(({ items }) => items.map(({ item }) => item)))]
  const restorable = all.filter((item) => !failed.has(item))
  const items = asked ?? (failed.size === 0 ? undefined : restorable)
  if (items?.length === 0) throw nothingRestorable(backups)
  const { described, unread } = await withFiles(found.chosen, options)
  const request = { backups: described, target, ...(items === undefined ? {} : { items }), ...(found.stop && { stop: found.stop }) }
  const plan = await agent.planRestore(request, options)
  const left = asked === undefined ? [...failed].map((item) => leftOut(item, backups)) : []
  return {
    ...plan,
    chain: restoreChainOf(found, items ?? restorable),
    problems: [...plan.problems, ...problems, ...left, ...unread],
  }
}

/** So many inventories are read at a time. */
const together = 8

/**
 * With the files of their items, so that an agent can say already now what is not there; as they are where they cannot be read, such as without
 * the key, and then with why: what cannot be read cannot be restored.
 */
async function withFiles(chosen: readonly ChosenBackup[], options: OperationOptions) {
  const described: Backup[] = []
  const unread = new Map<string, Problem>()
  for (let begin = 0; begin < chosen.length; begin += together) {
    const some = await Promise.all(chosen.slice(begin, begin + together).map((one) => describe(one, options)))
    for (const { backup, problem } of some) {
      described.push(backup)
      if (problem !== undefined) unread.set(problem.code, unread.get(problem.code) ?? problem)
    }
  }
  return { described, unread: [...unread.values()] }
}

async function describe(
  { backup, from: { repository } }: ChosenBackup,
  options: OperationOptions,
): Promise<{ readonly backup: Backup; readonly problem?: Problem }> {
  try {
    const files = new Map((await repository.inventory(backup, options)).map((item) => [item.item, item.files]))
    const items = backup.items.map((item) => {
      const found = item.files ?? files.get(item.item)
      return found === undefined ? item : { ...item, files: found }
    })
    return { backup: { ...backup, items } }
  } catch (error) {
    if (!BackupError.is(error) || error.code === 'ABORTED') throw error
    const { code, message, hint } = error
    return { backup, problem: { severity: 'error', code, message, hint: hint ?? 'Make the files of the backup readable on this host.' } }
  }
}

function leftOut(item: string, backups: readonly Backup[]): Problem {
  const backup = backups.find((candidate) => failureOf(candidate, item) !== undefined)
  return {
    severity: 'warning',
    code: 'NOT_FOUND',
    message: `item "${item}" failed in backup ${backup?.id} and is left out`,
    hint: 'Restore this item from a backup in which it did not fail.',
    item,
  }
}

function nothingRestorable(backups: readonly Backup[]): BackupError {
  return new BackupError(`no item of backup ${backups.at(-1)?.id} can be restored`, {
    code: 'INVALID_INPUT',
    hint: 'Choose a backup in which the items did not fail; list shows them.',
  })
}
