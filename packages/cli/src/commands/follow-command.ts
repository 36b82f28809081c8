import { type FollowReport, followLogs } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { parseByteSize } from '../configuration/byte-size.ts'
import { parseDuration } from '../configuration/duration.ts'
import { count } from '../output/plan-text.ts'
import { showFollowing } from '../progress/follow-lines.ts'
import { UsageError } from '../usage-error.ts'
import { refuseExposure } from '../workspace/refused-exposure.ts'
import { examples } from './command-options.ts'

interface FollowOptions {
  readonly every: string
  readonly bytes: string
}

export function addFollowCommand(program: Command, context: CommandContext): void {
  program
    .command('follow')
    .summary('store changes as they come')
    .description(
      'Follows the server of a job as a replica does, and stores its changes as log backups every few seconds, so that a crash loses no more than those. While another run of the job goes on, such as a full, what comes is received but not stored until that run has ended, however long it takes; a crash then loses what has come since it began, unless the server keeps it. Begins with what is due: a log, or a full where no log can continue what is there. When the server or the repository is away it waits and goes on. Runs until it is stopped: Ctrl-C or SIGTERM stores what has come and ends with exit code 0; 130 when that was not possible. A second follow of a job is refused.',
    )
    .argument('<job>', 'name of the job')
    .option('--every <duration>', 'store what has come after so long', '10s')
    .option('--bytes <size>', 'or once it is so much', '16MiB')
    .addHelpText('after', examples('backup-planet follow shop', 'backup-planet follow shop --every 1m --bytes 64MiB'))
    .action(async (job: string, options: FollowOptions) => {
      const every = rhythmOf(options)
      const workspace = await context.workspace()
      refuseExposure(workspace)
      await using agent = await workspace.agentOf(job)
      await using repository = await workspace.mirroredRepositoryOf(job)
      using display = showFollowing(context)
      const { signal } = context
      const report = await followLogs(
        { agent, repository, staging: workspace.staging(), job, ...every },
        { signal, onEvent: display.onEvent },
      )
      context.output.emit({ type: 'result', command: 'follow', job, ...report })
      context.output.print(summary(report, job))
    })
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
