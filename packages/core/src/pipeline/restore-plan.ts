import type { Agent, Backup, OperationOptions, Problem, Repository, RestorePlan, RestoreTarget } from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { nearest } from '../settings/nearest.ts'
import { chainTo } from './backup-chain.ts'
import { failureOf } from './backup-files.ts'

export interface RestorePlanRequest {
  readonly agent: Agent
  readonly repository: Repository
  /** The backup to get to; what it needs before it is found in the repository. */
  readonly backup: Backup
  /** Items to restore; all that did not fail when left out. */
  readonly items?: readonly string[]
  readonly target: RestoreTarget
}

/**
 * What a restore would do; changes nothing. Throws `NOT_FOUND` for an item that no backup holds, `INVALID_INPUT` for one that
 * failed when it was backed up and for a backup of another application.
 */
export async function restorePlan(request: RestorePlanRequest, options: OperationOptions = {}): Promise<RestorePlan> {
  const { agent, repository, backup, target } = request
  throwIfAborted(options.signal, 'planning the restore')
  if (backup.application !== agent.application) {
    throw new BackupError(`backup ${backup.id} is of ${backup.application} and the target is ${agent.application}`, {
      code: 'INVALID_INPUT',
      hint: `Choose a target whose agent is ${backup.application}.`,
    })
  }
  const backups = backup.kind === 'full' ? [backup] : chainTo(backup, await listed(repository, backup.job, options), agent.comparePositions)
  const failed = new Set(backups.flatMap(({ items }) => items.filter(({ failure }) => failure !== undefined).map(({ item }) => item)))
  assertItems(request.items ?? [], backups)
  const all = [...new Set(backups.flatMap(({ items }) => items.map(({ item }) => item)))]
  const items = request.items ?? (failed.size === 0 ? undefined : all.filter((item) => !failed.has(item)))
  if (items?.length === 0) throw nothingRestorable(backup)
  const described = await Promise.all(backups.map((one) => withFiles(one, repository, options)))
  const plan = await agent.planRestore({ backups: described, target, ...(items === undefined ? {} : { items }) }, options)
  if (request.items !== undefined || failed.size === 0) return plan
  return { ...plan, problems: [...plan.problems, ...[...failed].map((item) => leftOut(item, backups))] }
}

/** With the files of its items, so that an agent can say already now what is not there; as it is where they cannot be read, such as without the key. */
async function withFiles(backup: Backup, repository: Repository, options: OperationOptions): Promise<Backup> {
  try {
    const files = new Map((await repository.inventory(backup, options)).map((item) => [item.item, item.files]))
    return {
      ...backup,
      items: backup.items.map((item) => {
        const found = item.files ?? files.get(item.item)
        return found === undefined ? item : { ...item, files: found }
      }),
    }
  } catch (error) {
    if (!BackupError.is(error) || error.code === 'ABORTED') throw error
    return backup
  }
}

async function listed(repository: Repository, job: string, options: OperationOptions): Promise<Backup[]> {
  const backups: Backup[] = []
  for await (const backup of repository.list({ job }, options)) backups.push(backup)
  return backups
}

/** Throws for items that are unknown or failed in one of the backups that they would be restored from. */
export function assertItems(items: readonly string[], backups: readonly Backup[]): void {
  const known = [...new Set(backups.flatMap((backup) => backup.items.map(({ item }) => item)))]
  for (const item of items) {
    if (!known.includes(item)) {
      const closest = nearest(item, known)
      throw new BackupError(`there is no item "${item}" in ${backups.map(({ id }) => id).join(', ')}`, {
        code: 'NOT_FOUND',
        hint: closest === undefined ? `The items are: ${known.join(', ')}.` : `Did you mean "${closest}"?`,
      })
    }
    for (const backup of backups) {
      const failure = failureOf(backup, item)
      if (failure === undefined) continue
      throw new BackupError(`item "${item}" failed in backup ${backup.id} and cannot be restored from it: ${failure}`, {
        code: 'INVALID_INPUT',
        hint: 'Choose a backup in which this item did not fail; list shows them.',
      })
    }
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

function nothingRestorable(backup: Backup): BackupError {
  return new BackupError(`no item of backup ${backup.id} can be restored`, {
    code: 'INVALID_INPUT',
    hint: 'Choose a backup in which the items did not fail; list shows them.',
  })
}
