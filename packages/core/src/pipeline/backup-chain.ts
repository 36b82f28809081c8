import { historyOf } from '../chain/chain-history.ts'
import type { NoChainPlan } from '../chain/no-chain-plan.ts'
import { type ChainPlan, planChain } from '../chain/plan-chain.ts'
import type { Backup, OperationOptions, PositionOrder, Repository } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'

/**
 * What must be restored to get to `backup`: its full first, `backup` last, by the planner that all agents share. Positions that nobody can order
 * and of which none fits exactly are left to the agent: then it is the newest full of the same history and everything complete after it, and the
 * agent names the gap if there is one. Throws `NOT_FOUND` when there is no full to begin with, or a gap before `backup`.
 *
 * @param order of the agent, where it has one
 */
export function chainTo(backup: Backup, backups: readonly Backup[], order?: PositionOrder): Backup[] {
  const ofJob = new Map([...backups.filter(({ job }) => job === backup.job), backup].map((other) => [other.id, other]))
  const plan = planChain(historyOf([...ofJob.values()], order), { backup: backup.id })
  // Stopping somewhere in another backup is not getting to this one.
  if (plan.possible && plan.stop === undefined) return plan.backups.map(({ id }) => ofJob.get(id) as Backup)
  if (order === undefined) return wideChain(backup, earlierThan(backup, ofJob.values()))
  throw new BackupError(`the ${backup.kind} backup ${backup.id} cannot be restored: ${reasonOf(plan)}`, {
    code: 'NOT_FOUND',
    hint: 'Choose a full backup, or another one that follows a full backup without a gap; list shows them.',
  })
}

function reasonOf(plan: ChainPlan | NoChainPlan): string {
  if (plan.possible)
    return `what leads up to it is not there, although other backups cover what is in it: ${plan.backups.map(({ id }) => id).join(', ')}`
  return plan.reason.message.charAt(0).toLowerCase() + plan.reason.message.slice(1)
}

function earlierThan(backup: Backup, backups: Iterable<Backup>): Backup[] {
  return [...backups]
    .filter((other) => other.id !== backup.id && continuesChain(other) && other.endedAt <= backup.endedAt)
    .sort((a, b) => (a.endedAt < b.endedAt ? -1 : 1))
}

/**
 * What a log or differential of this job may continue from, oldest first. Without file lists and storage, which may be megabytes a backup:
 * hundreds of them must fit into memory.
 */
export async function readChain(repository: Repository, job: string, options: OperationOptions = {}): Promise<Backup[]> {
  const chain: Backup[] = []
  for await (const backup of repository.list({ job }, options)) if (continuesChain(backup)) chain.push(withoutFiles(backup))
  return chain
}

function withoutFiles(backup: Backup): Backup {
  return { ...backup, items: backup.items.map(({ files: _, ...item }) => item), storage: {} }
}

/** Whether a later log or differential may build on it: everything that the job captures is in it. */
function continuesChain(backup: Backup): boolean {
  return backup.status === 'complete' && backup.limitedTo === undefined
}

function wideChain(backup: Backup, earlier: readonly Backup[]): Backup[] {
  const history = (candidate: Backup) => (candidate.position ?? candidate.from)?.chain
  const wanted = history(backup)
  const related = earlier.filter((candidate) => wanted === undefined || history(candidate) === undefined || history(candidate) === wanted)
  const full = related.findLastIndex(({ kind }) => kind === 'full')
  if (full < 0) {
    throw new BackupError(`the ${backup.kind} backup ${backup.id} needs a full backup, and the repository holds none that it follows`, {
      code: 'NOT_FOUND',
      hint: 'Choose a full backup, or a later one that follows a full backup which is still there; list shows them.',
    })
  }
  return [...related.slice(full), backup]
}
