import { type FollowReport, followLogs, type HookedRun, type RunEvent, runWithHooks } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { parseByteSize } from '../configuration/byte-size.ts'
import { parseDuration } from '../configuration/duration.ts'
import { exitCodes } from '../exit-codes.ts'
import { addNotifyOptions, askedNotifier, type NotifyChoice } from '../notifying/asked-notifier.ts'
import { type FollowingTeller, notifyFollowing } from '../notifying/notify-following.ts'
import { count } from '../output/plan-text.ts'
import { showFollowing } from '../progress/follow-lines.ts'
import { jobHooks } from '../running/job-hooks.ts'
import { UsageError } from '../usage-error.ts'
import { refuseExposure } from '../workspace/refused-exposure.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { examples } from './command-options.ts'

interface FollowOptions extends NotifyChoice {
  readonly every: string
  readonly bytes: string
}

export function addFollowCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('follow')
    .summary('store changes as they come')
    .description(
      'Follows the server of a job as a replica does, and stores its changes as log backups every few seconds, so that a crash loses no more than those. While another run of the job goes on, such as a full, what comes is received but not stored until that run has ended, however long it takes; a crash then loses what has come since it began, unless the server keeps it. Begins with what is due: a log, or a full where no log can continue what is there. When the server or the repository is away it waits and goes on. Runs until it is stopped: Ctrl-C or SIGTERM stores what has come and ends with exit code 0; 130 when that was not possible. A second follow of a job is refused. The hooks of the job are run before it begins and after it has ended.',
    )
    .argument('<job>', 'name of the job')
    .option('--every <duration>', 'store what has come after so long', '10s')
    .option('--bytes <size>', 'or once it is so much', '16MiB')
  addNotifyOptions(command)
    .addHelpText(
      'after',
      examples('backup-planet follow shop', 'backup-planet follow shop --every 1m --bytes 64MiB', 'backup-planet follow shop --notify'),
    )
    .action(async (job: string, options: FollowOptions) => {
      const every = rhythmOf(options)
      const workspace = await context.workspace()
      refuseExposure(workspace)
      workspace.configuration.job(job)
      await using notifier = await askedNotifier(workspace, options, context)
      const told = notifier === undefined ? undefined : notifyFollowing(notifier, job, context.now)
      const run = await followWithHooks(workspace, job, every, told, context)
      // What is only wrong on the command line concerns whoever typed it.
      if (run.error instanceof UsageError) throw run.error
      told?.ended(run)
      if (run.result === undefined) throw run.error
      context.output.emit({ type: 'result', command: 'follow', job, ...run.result })
      context.output.print(summary(run.result, job))
      if (run.outcome === 'partial') context.end(exitCodes.partial)
    })
}

async function followWithHooks(
  workspace: Workspace,
  job: string,
  every: ReturnType<typeof rhythmOf>,
  told: FollowingTeller | undefined,
  context: CommandContext,
): Promise<HookedRun<FollowReport>> {
  const { mask, signal } = context
  using display = showFollowing(context)
  const onEvent = (event: RunEvent): void => {
    display.onEvent(event)
    told?.onEvent(event)
  }
  const run = async (): Promise<FollowReport> => {
    await using agent = await workspace.agentOf(job)
    await using repository = await workspace.mirroredRepositoryOf(job)
    return await followLogs({ agent, repository, staging: workspace.staging(), job, ...every }, { signal, onEvent })
  }
  const facts = { job, kind: 'log' } as const
  const parts = { ...jobHooks(workspace, job, mask), facts, run, finished: () => ({ outcome: 'done' }) as const }
  return await runWithHooks(parts, { signal, onProblem: (problem) => display.onEvent({ type: 'problem', problem }) })
}

function rhythmOf({ every, bytes }: FollowOptions): { readonly everySeconds: number; readonly everyBytes: number } {
  const milliseconds = parseDuration(every)
  if (milliseconds === undefined || milliseconds < 100) {
    throw new UsageError(`--every ${JSON.stringify(every)} is no duration of 100 ms or more`, 'Write it like --every 10s or --every 1m.')
  }
  const everyBytes = parseByteSize(bytes)
  if (everyBytes === undefined || everyBytes < 1) {
    throw new UsageError(`--bytes ${JSON.stringify(bytes)} is no size`, 'Write it like --bytes 16MiB.')
  }
  return { everySeconds: milliseconds / 1000, everyBytes }
}

function summary({ stored, restorableUntil }: FollowReport, job: string): string {
  const until = restorableUntil === undefined ? '' : `; restorable until ${restorableUntil}`
  return `followed job ${job}: ${count(stored, 'backup')} stored${until}`
}
