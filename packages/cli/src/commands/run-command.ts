import { type BackUpReport, type CaptureKind, describeBytes, type Problem, readChain } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { describeDuration } from '../configuration/duration.ts'
import { exitCodes } from '../exit-codes.ts'
import { addNotifyOptions, askedNotifier, type NotifyChoice } from '../notifying/asked-notifier.ts'
import { printable } from '../output/output.ts'
import { capturePlanText, count } from '../output/plan-text.ts'
import { followEvents } from '../progress/run-events.ts'
import { type JobRun, runJob } from '../running/job-run.ts'
import { UsageError } from '../usage-error.ts'
import { refuseExposure } from '../workspace/refused-exposure.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { examples, itemOption, itemsOf, kindNamed, kindOf, kindOption } from './command-options.ts'
import { sizeOf } from './list-command.ts'

interface RunOptions extends NotifyChoice {
  readonly kind: string
  readonly item?: readonly string[]
  readonly plan?: true
}

export function addRunCommand(program: Command, context: CommandContext): void {
  const command = program
    .command('run')
    .summary('make one backup')
    .description(
      'Makes one backup of a job, with progress. It exists once it is complete in the repository, and not before.\nExit code 3 when some items failed; they are named and cannot be restored from this backup.\nWith --item it is a backup of these items beside the others: the application is not told that it is backed up, no later backup builds on it, and restore uses it only for who asks for these items, or for it by its id.',
    )
    .argument('<job>', 'name of the job')
    .addOption(kindOption())
    .addOption(itemOption('only this item, in a backup that nothing builds on'))
    .option('--plan', 'print the numbered steps of this very run, and do nothing')
  addNotifyOptions(command)
    .addHelpText(
      'after',
      examples(
        'backup-planet run shop',
        'backup-planet run shop --plan',
        'backup-planet run shop --item orders --item customers',
        'backup-planet run shop --json > run.jsonl',
        'backup-planet run shop --notify',
      ),
    )
    .action(async (job: string, options: RunOptions) => {
      const workspace = await context.workspace()
      if (options.plan) return showPlan(workspace, job, options, context)
      refuseExposure(workspace)
      await makeBackup(workspace, job, options, context)
    })
}

async function showPlan(workspace: Workspace, job: string, options: RunOptions, context: CommandContext): Promise<void> {
  const { signal } = context
  await using agent = await workspace.agentOf(job)
  const kind = kindOf(options.kind, agent)
  await using repository = await workspace.repositoryOf(job)
  const chain = await readChain(repository, job, { signal })
  const plan = await agent.plan({ job, kind, chain, ...itemsOf(options.item) }, { signal })
  context.output.emit({ type: 'result', command: 'run', job, plan })
  context.output.print(capturePlanText(plan))
}

async function makeBackup(workspace: Workspace, job: string, options: RunOptions, context: CommandContext): Promise<void> {
  const { mask, now, signal } = context
  const kind = kindNamed(options.kind)
  workspace.configuration.job(job)
  await using notifier = await askedNotifier(workspace, options, context)
  notifier?.started({ job, task: kind, at: new Date(now()).toISOString() })
  using follower = followEvents(context)
  const onProblem = (problem: Problem) => follower.onEvent({ type: 'problem', problem })
  const run = await runJob({ workspace, job, kind, mask, now, ...itemsOf(options.item) }, { signal, onEvent: follower.onEvent, onProblem })
  // What is only wrong on the command line concerns whoever typed it.
  if (run.error instanceof UsageError) throw run.error
  notifier?.observe(run.outcome)
  if (run.made === undefined) throw run.error
  tellBackup(run.made, job, kind, context)
  if (run.outcome.outcome === 'partial') context.end(exitCodes.partial)
}

function tellBackup(
  { report, destination }: NonNullable<JobRun['made']>,
  job: string,
  kind: CaptureKind,
  { output }: CommandContext,
): void {
  const { backup } = report
  const failed = backup.items.filter(({ failure }) => failure !== undefined).length
  output.emit({ type: 'result', command: 'run', job, ...report })
  output.print(summary(report, failed, destination))
  if (report.reason !== undefined) output.print(`why ${backup.kind} and not ${kind}: ${printable(report.reason)}`)
}

function summary({ backup, storedBytes }: BackUpReport, failed: number, destination: string): string {
  const took = describeDuration(Date.parse(backup.endedAt) - Date.parse(backup.beganAt))
  const items =
    failed === 0 ? count(backup.items.length, 'item') : `${backup.items.length - failed} of ${count(backup.items.length, 'item')}`
  const sizes = sizesText(sizeOf(backup), storedBytes)
  const limited = backup.limitedTo === undefined ? '' : `, limited to ${printable(backup.limitedTo.join(', '))}`
  return `${backup.status}${limited}: ${backup.kind} backup ${backup.id} of job ${backup.job}, ${items}, ${sizes}, in ${took}, in ${destination}`
}

/** How much was captured and how much of it reached the store, with the ratio where that says anything. */
function sizesText(captured: number, stored: number | undefined): string {
  if (stored === undefined) return `${describeBytes(captured)} captured`
  const ratio = captured / stored >= 1.05 ? ` (${(captured / stored).toFixed(1)} : 1)` : ''
  return `${describeBytes(captured)} captured, ${describeBytes(stored)} stored${ratio}`
}
