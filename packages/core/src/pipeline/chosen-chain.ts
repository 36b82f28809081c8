import { bytesToRead, spaceToRestore } from '../chain/chain-sizes.ts'
import { orderOf } from '../chain/position-order.ts'
import type { Agent, Backup, Problem, RestoreChain, RestoreStop } from '../contracts/index.ts'
import { chainTo } from './backup-chain.ts'
import { type GoalPlan, planGoal } from './goal-chain.ts'
import { stopNotSupported, unreachableGoal } from './goal-errors.ts'
import { assertKnown } from './item-assertion.ts'
import type { ListedRepository, NamedRepository } from './named-repository.ts'
import type { RestoreGoal } from './restore-goal.ts'

/** A backup, and where it is read. */
export interface ChosenBackup {
  readonly backup: Backup
  readonly from: NamedRepository
}

/** The backups of a restore in the order in which they are applied, and where the last one stops. */
export interface ChosenChain {
  readonly chosen: readonly ChosenBackup[]
  readonly stop?: RestoreStop
  readonly warnings: RestoreChain['warnings']
}

export interface GoalRequest {
  readonly agent: Pick<Agent, 'application' | 'comparePositions' | 'supports'>
  readonly job: string
  /** The preferred first. */
  readonly listed: readonly ListedRepository[]
  readonly to: RestoreGoal
  readonly items?: readonly string[]
}

/**
 * The backups that bring a job back to a goal. Pure. Throws `NOT_FOUND` where there is no way, with what is nearest in the hint, and for an item
 * that no backup holds; `UNSUPPORTED` where the agent would have to stop inside a backup and cannot.
 *
 * @param missing of the repositories that could not be looked into
 */
export function chooseChain({ agent, job, listed, to, items }: GoalRequest, missing: readonly Problem[] = []): ChosenChain {
  const all = listed.flatMap(({ backups }) => backups)
  assertKnown(items ?? [], all, () => `the backups of job ${job}`)
  const listings = listed.map(({ name, backups }) => ({ repository: name, backups }))
  const history = { listings, order: orderOf(agent), ...(items === undefined ? {} : { items }) }
  const plan = planGoal(history, to, agent.supports.pointInTime)
  if (plan.possible === true) {
    const chosenFrom = chooserOf(listed)
    const chosen = plan.backups.map(({ id, repository }) => chosenFrom(id, repository))
    // What is left out is told item by item.
    const warnings = plan.warnings.filter(({ code }) => code !== 'items-left-out')
    const newer = 'latest' in to ? newerPartial(all, chosen.at(-1)?.backup) : []
    return { chosen, ...(plan.stop === undefined ? {} : { stop: plan.stop }), warnings: [...warnings, ...newer] }
  }
  return chainOfUnordered(plan, { agent, job, listed, to }, all, missing)
}

/** Positions that nobody can order, and of which none fits exactly, are left to the agent. */
function chainOfUnordered(
  plan: Exclude<GoalPlan, { readonly possible: true }>,
  { agent, job, listed, to }: GoalRequest,
  all: readonly Backup[],
  missing: readonly Problem[],
): ChosenChain {
  const wanted = 'backup' in to ? all.find(({ id }) => id === to.backup) : undefined
  if (wanted !== undefined && agent.comparePositions === undefined && plan.possible === false) {
    const chosenFrom = chooserOf(listed)
    return { chosen: chainTo(wanted, all).map(({ id }) => chosenFrom(id)), warnings: [] }
  }
  if (plan.possible === 'by-stopping') throw stopNotSupported(agent.application, job, to, plan)
  throw unreachableGoal(job, to, plan, missing)
}

/** The latest state is one that comes back whole: that something newer is there in part should be known. */
function newerPartial(all: readonly Backup[], last: Backup | undefined): RestoreChain['warnings'] {
  const newer = all.filter(
    ({ status, limitedTo, consistentAt }) =>
      status === 'partial' && limitedTo === undefined && Date.parse(consistentAt) > Date.parse(last?.consistentAt ?? ''),
  )
  const [newest] = newer.toSorted((a, b) => Date.parse(b.consistentAt) - Date.parse(a.consistentAt))
  if (newest === undefined) return []
  const failed = newest.items.flatMap(({ item, failure }) => (failure === undefined ? [] : [item]))
  const message = `The backup ${newest.id} of ${newest.consistentAt} is newer and not whole, ${failed.join(', ')} failed: it is restored only when it is named.`
  return [{ code: 'newer-partial', message }]
}

/** Finds a backup where it is read: in the repository of that name, or in the first that has it. */
function chooserOf(listed: readonly ListedRepository[]): (id: string, name?: string) => ChosenBackup {
  const byId = listed.map((from) => {
    const backups = new Map<string, Backup>()
    for (const backup of from.backups) if (!backups.has(backup.id)) backups.set(backup.id, backup)
    return { from, backups }
  })
  return (id, name) => {
    const { from, backups } = byId.find((one) => (name ?? one.from.name) === one.from.name && one.backups.has(id)) as (typeof byId)[number]
    return { from, backup: backups.get(id) as Backup }
  }
}

/** As a plan tells it. */
export function restoreChainOf({ chosen, warnings }: ChosenChain, items: readonly string[]): RestoreChain {
  const backups = chosen.map(({ backup, from: { name: repository } }) => ({
    id: backup.id,
    kind: backup.kind,
    consistentAt: backup.consistentAt,
    ...(backup.position === undefined ? {} : { position: backup.position }),
    repository,
    bytes: bytesToRead(backup, items),
  }))
  const sizes = backups.map(({ bytes }) => bytes)
  return { backups, bytes: sizes.reduce((sum, bytes) => sum + bytes, 0), spaceBytes: spaceToRestore(sizes), warnings }
}
