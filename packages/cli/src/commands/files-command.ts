import { resolve } from 'node:path'
import { type ChosenChain, chooseChain, extractFiles, type Problem } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { exitCodes } from '../exit-codes.ts'
import { printable } from '../output/output.ts'
import { problemsText } from '../output/plan-text.ts'
import { followRun, toldOptions } from '../progress/run-events.ts'
import { type JobBackups, openJobBackups } from '../restoring/job-backups.ts'
import { planningAgentOf } from '../restoring/planning-agent.ts'
import { addGoalOptions, type GoalWish, goalOf, type PlanningAgent } from '../restoring/restore-goal-options.ts'
import { fromRepositoryOption } from '../workspace/repository-choice.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { examples, itemOption, itemsOf } from './command-options.ts'

interface FilesOptions extends GoalWish {
  readonly to: string
  readonly repository?: string
  readonly item?: readonly string[]
}

export function addFilesCommand(program: Command, context: CommandContext): void {
  addGoalOptions(program.command('files'))
    .summary('unpack the files of a backup into a folder')
    .description(
      'Writes the files of a backup, each checked, into a folder of its own for each item. Touches no server. With --backup it is that backup alone; else all that is needed for the latest state, or for the one that is asked for: where these are several, in a folder for each in the order in which they are applied, with a RESTORE.md that says where the last one stops.\nExit code 3 when items had failed when they were backed up.',
    )
    .argument('<job>', 'name of the job')
    .requiredOption('--to <folder>', 'where to; nothing in it is replaced')
    .addOption(fromRepositoryOption())
    .addOption(itemOption('only this item'))
    .addHelpText(
      'after',
      examples(
        'backup-planet files shop --to ./shop-files',
        'backup-planet files shop --backup 20260724T0200 --item orders --to /tmp/orders',
        'backup-planet files shop --at 2026-07-24T02:00:00Z --to /tmp/shop',
      ),
    )
    .action(async (job: string, options: FilesOptions) => {
      const workspace = await context.workspace()
      await using backups = await openJobBackups(workspace, job, options, toldOptions(context))
      const { chain, agent } = await chainOf(workspace, backups, options)
      tell([...backups.unlisted], chain, context)
      const directory = resolve(options.to)
      const report = await followRun(context, (followed) => extractFiles({ chain, agent, directory, ...itemsOf(options.item) }, followed))
      const ids = chain.chosen.map(({ backup }) => backup.id)
      context.output.emit({ type: 'result', command: 'files', backup: ids.at(-1), backups: ids, directory, report })
      context.output.print(`files of backup ${ids.join(', ')} are in ${directory}`)
      if (report.leftOut.length === 0) return
      context.output.print(`NOT among them, because they failed when they were backed up: ${report.leftOut.map(printable).join(', ')}`)
      context.end(exitCodes.partial)
    })
}

interface FoundChain {
  readonly chain: ChosenChain
  readonly agent: PlanningAgent
}

/** A backup that is named comes alone: its files are wanted, and not the state at its end. */
async function chainOf(workspace: Workspace, backups: JobBackups, options: FilesOptions): Promise<FoundChain> {
  const { job, listed, unlisted } = backups
  const all = listed.flatMap((repository) => repository.backups)
  const agent = await planningAgentOf(workspace, job, options.backup === undefined ? all : [], options)
  const to = goalOf(options, agent, backups, options.item)
  if ('backup' in to) {
    const from = listed.find((repository) => repository.backups.some(({ id }) => id === to.backup))
    const backup = from?.backups.find(({ id }) => id === to.backup)
    return { agent, chain: { chosen: from === undefined || backup === undefined ? [] : [{ backup, from }], warnings: [] } }
  }
  return { agent, chain: chooseChain({ agent, job, listed, to, ...itemsOf(options.item) }, unlisted) }
}

function tell(problems: readonly Problem[], { warnings }: ChosenChain, { output, untold }: CommandContext): void {
  for (const problem of problems) output.emit({ type: 'problem', problem })
  const news = untold(problems)
  if (news.length > 0) output.remark(problemsText(news))
  for (const { message } of warnings) output.remark(`warning: ${printable(message)}`)
}
