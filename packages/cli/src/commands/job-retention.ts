import {
  applyRetention,
  type Backup,
  orderOf,
  type PruneReport,
  type Repository,
  type RetainedObject,
  type RetentionReport,
} from '@backup-planet/core'
import type { CommandContext } from '../command-context.ts'
import type { JobConfiguration } from '../configuration/configuration-schema.ts'
import { retentionText } from '../output/retention-text.ts'
import { followRun } from '../progress/run-events.ts'
import { planningAgentOf } from '../restoring/planning-agent.ts'
import type { Workspace } from '../workspace/workspace.ts'

export type Retention = NonNullable<JobConfiguration['retention']>

/** What `prune` did in one repository of a job, as its last line says it. */
export interface PrunedRepository {
  readonly repository: string
  /** Ids; of a dry run, of what would be. */
  readonly removed: readonly string[]
  readonly kept: number
  /** Of the removed backups, where the repository knows. */
  readonly bytes: number | undefined
  readonly retained: readonly RetainedObject[]
  /** Of the space that was given back after that, where the repository can. */
  readonly report: PruneReport | undefined
}

export interface JobRetention {
  readonly job: string
  readonly repository: Repository
  readonly name: string
  readonly retention: Retention
  readonly dryRun: boolean
}

/** Applies the retention of a job in one of its repositories, and says of every backup what becomes of it. */
export async function applyJobRetention(
  workspace: Workspace,
  { job, repository, name, retention, dryRun }: JobRetention,
  context: CommandContext,
): Promise<RetentionReport> {
  const { timezone, ...rules } = retention
  const backups: Backup[] = []
  for await (const backup of repository.list({ job }, { signal: context.signal })) backups.push(backup)
  const order = orderOf(await planningAgentOf(workspace, job, backups))
  const now = new Date(context.now())
  const report = await followRun(context, (followed) => applyRetention({ repository, job, rules, order, now, timezone, dryRun }, followed))
  for (const { backup, action, reasons } of report.decisions) {
    const { id, kind, beganAt } = backup
    context.output.emit({ type: 'retention', repository: name, job, id, kind, beganAt, action, reasons })
  }
  context.output.print(retentionText(report, repository.destination))
  return report
}
