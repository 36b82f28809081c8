import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { exitCodes } from '../exit-codes.ts'
import { problemsText } from '../output/plan-text.ts'
import { type RestorableStates, windowsText } from '../output/windows-text.ts'
import { toldOptions } from '../progress/run-events.ts'
import { assertReadable } from '../restoring/backup-selection.ts'
import { type JobBackups, openJobBackups } from '../restoring/job-backups.ts'
import { planningAgentOf } from '../restoring/planning-agent.ts'
import { restorableStates } from '../restoring/restorable-states.ts'
import { fromRepositoryOption } from '../workspace/repository-choice.ts'
import { examples, itemOption } from './command-options.ts'

interface WindowsOptions {
  readonly repository?: string
  readonly item?: readonly string[]
}

export function addWindowsCommand(program: Command, context: CommandContext): void {
  program
    .command('windows')
    .summary('show the moments that can be restored to')
    .description(
      'Shows what a job can be restored to, by the backups in all of its repositories together: intervals in which every moment can be, and single moments; until when, and how long ago that is; and the gaps, with their reasons. All times are UTC, by the clock of the server. Touches no server.\nExit code 1 when nothing can be restored, 3 when a record cannot be read, or one of several repositories not be reached.',
    )
    .argument('<job>', 'name of the job')
    .addOption(fromRepositoryOption())
    .addOption(itemOption('by what there is of this item'))
    .addHelpText(
      'after',
      examples('backup-planet windows shop', 'backup-planet windows shop --repository offsite', 'backup-planet windows shop --json'),
    )
    .action(async (job: string, options: WindowsOptions) => {
      const workspace = await context.workspace()
      await using backups = await openJobBackups(workspace, job, options, toldOptions(context))
      const all = backups.listed.flatMap((listing) => listing.backups)
      assertReadable(all, backups)
      const states = restorableStates(backups, await planningAgentOf(workspace, job, all), options.item)
      tell(states, backups, context)
    })
}

function tell(states: RestorableStates, { job, unlisted, unreadable }: JobBackups, context: CommandContext): void {
  const { output } = context
  const { windows, gaps, pointInTime, last } = states
  for (const problem of unlisted) output.emit({ type: 'problem', problem })
  const news = context.untold(unlisted)
  if (news.length > 0) output.remark(problemsText(news))
  output.emit({
    type: 'result',
    command: 'windows',
    job,
    windows,
    gaps,
    pointInTime,
    restorableUntil: last?.consistentAt,
    backup: last?.id,
    unlisted: unlisted.length,
    unreadable: unreadable.length,
  })
  if (windows.length === 0) output.print(`nothing of job ${job} can be restored: none of its full backups is there`)
  else output.print(windowsText(states, context.now()))
  if (unlisted.length + unreadable.length > 0) context.end(exitCodes.partial)
  if (windows.length === 0) context.end(exitCodes.failed)
}
