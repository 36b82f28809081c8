import { applyRetention, type Backup, orderOf, type Repository, type RetentionReport, type RunOptions } from '@backup-planet/core'
import type { JobConfiguration } from '../configuration/configuration-schema.ts'
import { planningAgentOf } from '../restoring/planning-agent.ts'
import type { Workspace } from '../workspace/workspace.ts'

export type Retention = NonNullable<JobConfiguration['retention']>

export interface RetireRequest {
  readonly job: string
  readonly repository: Repository
  readonly retention: Retention
  readonly dryRun?: boolean
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Applies the retention of a job in one of its repositories, with the order that its agent knows. Throws as `applyRetention` does. */
export async function retireBackups(
  workspace: Workspace,
  { job, repository, retention, dryRun = false, now }: RetireRequest,
  options: RunOptions,
): Promise<RetentionReport> {
  const { timezone, ...rules } = retention
  const backups: Backup[] = []
  for await (const backup of repository.list({ job }, { signal: options.signal })) backups.push(backup)
  const order = orderOf(await planningAgentOf(workspace, job, backups))
  return await applyRetention({ repository, job, rules, order, now: new Date(now), timezone, dryRun }, options)
}
