import type { NearestTarget, NoChainPlan } from '../chain/no-chain-plan.ts'
import { describePosition } from '../chain/position-order.ts'
import type { Backup, Problem } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import { describeGoal, type RestoreGoal } from './restore-goal.ts'

/** @param missing of the repositories that could not be looked into */
export function unreachableGoal(job: string, goal: RestoreGoal, plan: NoChainPlan, missing: readonly Problem[]): BackupError {
  const { message } = plan.reason
  const why = message.charAt(0).toLowerCase() + message.slice(1)
  return new BackupError(`job ${job} cannot be restored to ${describeGoal(goal)}: ${why.replace(/\.$/, '')}`, {
    code: 'NOT_FOUND',
    hint: [nearestText(describeNearest(plan.before), describeNearest(plan.after)), ...missing.map(couldHaveIt)].join(' '),
  })
}

export function stopNotSupported(
  application: string,
  job: string,
  goal: RestoreGoal,
  { before, after }: { readonly before?: Backup; readonly after?: Backup },
): BackupError {
  return new BackupError(
    `job ${job} cannot be restored to ${describeGoal(goal)}: that lies inside a backup, and the agent for ${application} can only restore backups as a whole`,
    { code: 'UNSUPPORTED', hint: nearestText(describeBackup(before), describeBackup(after)) },
  )
}

function nearestText(before: string | undefined, after: string | undefined): string {
  if (before !== undefined && after !== undefined) return `The nearest that can be restored is ${before} before it, and ${after} after it.`
  const only = before ?? after
  if (only === undefined) return 'Choose something else to restore to, which windows shows, or make a full backup.'
  return `The nearest that can be restored is ${only}, ${before === undefined ? 'after' : 'before'} it.`
}

function describeNearest(nearest: NearestTarget | undefined): string | undefined {
  if (nearest === undefined) return undefined
  const { at, position, backup } = nearest
  const ends = [
    ...(position === undefined ? [] : [describePosition(position)]),
    ...(backup === undefined ? [] : [`the end of backup ${backup}`]),
  ]
  return ends.length === 0 ? at : `${at} (${ends.join(', ')})`
}

function describeBackup(backup: Backup | undefined): string | undefined {
  return backup && `${backup.consistentAt} (backup ${backup.id})`
}

function couldHaveIt({ message }: Problem): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1).replace(/\.$/, '')}.`
}
