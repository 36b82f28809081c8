import { BackupError } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { schedulePolicy } from '../configuration/schedule-schema.ts'
import { runningDaemon } from '../daemon/daemon-lock.ts'
import { taskStatuses } from '../daemon/job-status.ts'
import { readScheduleState } from '../daemon/schedule-state-file.ts'
import { exitCodes } from '../exit-codes.ts'
import { type FailureFacts, failureFacts } from '../output/failure-text.ts'
import { type JobStatus, statusText } from '../output/status-text.ts'
import { toldOptions } from '../progress/run-events.ts'
import { openJobBackups } from '../restoring/job-backups.ts'
import { planningAgentOf } from '../restoring/planning-agent.ts'
import { restorableStates } from '../restoring/restorable-states.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { examples } from './command-options.ts'

export function addStatusCommand(program: Command, context: CommandContext): void {
  program
    .command('status')
    .summary('show last and next runs, and until when can be restored')
    .description(
      'Shows each job: whether a daemon watches it, when each of its tasks ran last and runs next, and what can be restored by the backups in its repositories. Touches no server.\nExit code 1 when the last run of a task failed or nothing of a job can be restored, 3 when a repository cannot be read.',
    )
    .argument('[job]', 'only this job')
    .addHelpText('after', examples('backup-planet status', 'backup-planet status shop --json'))
    .action(async (job: string | undefined) => {
      const workspace = await context.workspace()
      if (job !== undefined) workspace.configuration.job(job)
      const daemon = await runningDaemon(workspace.stagingDirectory)
      const state = await readScheduleState(workspace.stagingDirectory)
      const statuses: JobStatus[] = []
      for (const name of job === undefined ? workspace.jobs : [job]) {
        const { schedule } = workspace.configuration.job(name)
        const history = state !== undefined && Object.hasOwn(state.jobs, name) ? state.jobs[name] : undefined
        const tasks = schedule === undefined ? [] : taskStatuses(schedulePolicy(name, schedule), history, context.now())
        statuses.push({ job: name, tasks, ...(await restorable(workspace, name, context)) })
      }
      context.output.emit({ type: 'result', command: 'status', daemon: daemon === undefined ? null : { pid: daemon.pid }, jobs: statuses })
      context.output.print(statusText(statuses, daemon?.pid, context.now()))
      if (statuses.some(({ failure, unlisted }) => failure !== undefined || unlisted > 0)) context.end(exitCodes.partial)
      if (statuses.some(isBad)) context.end(exitCodes.failed)
    })
}

type Restorable = Pick<JobStatus, 'windows' | 'gaps' | 'unlisted' | 'restorableUntil' | 'failure'>

/** A repository that cannot be read does not hide the other jobs. */
async function restorable(workspace: Workspace, job: string, context: CommandContext): Promise<Restorable> {
  try {
    await using backups = await openJobBackups(workspace, job, {}, toldOptions(context))
    const all = backups.listed.flatMap((listing) => listing.backups)
    const { windows, gaps, last } = restorableStates(backups, await planningAgentOf(workspace, job, all), undefined)
    return { windows, gaps, unlisted: backups.unlisted.length, ...(last === undefined ? {} : { restorableUntil: last.consistentAt }) }
  } catch (error) {
    if (!BackupError.is(error) || error.code === 'ABORTED') throw error
    const failure: FailureFacts = failureFacts(error)
    return { windows: [], gaps: [], unlisted: 0, failure }
  }
}

function isBad({ tasks, windows, failure }: JobStatus): boolean {
  return (failure === undefined && windows.length === 0) || tasks.some(({ lastRun }) => lastRun?.outcome === 'failed')
}
