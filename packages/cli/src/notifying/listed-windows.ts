import { BackupError, type OperationOptions } from '@backup-planet/core'
import type { ListedWindow } from '@backup-planet/notifications'
import { openJobBackups } from '../restoring/job-backups.ts'
import { planningAgentOf } from '../restoring/planning-agent.ts'
import { restorableStates } from '../restoring/restorable-states.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** What the repositories of each job say of until when it can be restored, whoever made the backups. Touches no server. Throws `ABORTED`. */
export async function listedWindows(
  workspace: Workspace,
  options: Pick<OperationOptions, 'signal'>,
): Promise<Readonly<Record<string, ListedWindow>>> {
  const windows: [string, ListedWindow][] = []
  for (const job of workspace.jobs) windows.push([job, await windowOf(workspace, job, options)])
  return Object.fromEntries(windows)
}

async function windowOf(workspace: Workspace, job: string, options: Pick<OperationOptions, 'signal'>): Promise<ListedWindow> {
  try {
    await using backups = await openJobBackups(workspace, job, {}, options)
    const all = backups.listed.flatMap((listing) => listing.backups)
    const { last } = restorableStates(backups, await planningAgentOf(workspace, job, all), undefined)
    const [problem] = [...backups.unlisted, ...backups.unreadable]
    return { until: last?.consistentAt, problem }
  } catch (error) {
    if (!BackupError.is(error) || error.code === 'ABORTED') throw error
    return { problem: { code: error.code, message: error.message } }
  }
}
