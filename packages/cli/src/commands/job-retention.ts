import type { PruneReport, Repository, RetainedObject, RetentionReport } from '@backup-planet/core'
import type { CommandContext } from '../command-context.ts'
import { retentionText } from '../output/retention-text.ts'
import { followRun } from '../progress/run-events.ts'
import { type Retention, retireBackups } from '../running/retire-backups.ts'
import type { Workspace } from '../workspace/workspace.ts'

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
  { name, ...request }: JobRetention,
  context: CommandContext,
): Promise<RetentionReport> {
  const { job, repository } = request
  const report = await followRun(context, (followed) => retireBackups(workspace, { ...request, now: context.now() }, followed))
  for (const { backup, action, reasons } of report.decisions) {
    const { id, kind, beganAt } = backup
    context.output.emit({ type: 'retention', repository: name, job, id, kind, beganAt, action, reasons })
  }
  context.output.print(retentionText(report, repository.destination))
  return report
}
