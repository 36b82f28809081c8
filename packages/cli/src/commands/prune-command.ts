import { describeBytes, type PruneReport, type RetainedObject } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { exitCodes } from '../exit-codes.ts'
import { printable } from '../output/output.ts'
import { count } from '../output/plan-text.ts'
import { followWork } from '../progress/work-progress.ts'
import { cannot, chosenRepository, repositoryOption } from '../workspace/repository-choice.ts'
import { examples } from './command-options.ts'

export function addPruneCommand(program: Command, context: CommandContext): void {
  program
    .command('prune')
    .summary('give back what no backup uses')
    .description(
      'Removes from a repository what no backup uses: what runs left that were cut, and what backups left that were removed. It removes no backup.\nNobody else may work on the repository meanwhile. It may be stopped at any time: every backup stays whole, and the next prune goes on.',
    )
    .argument('[job]', 'the repository of this job')
    .addOption(repositoryOption())
    .option('--dry-run', 'say what would be given back, and do nothing')
    .addHelpText(
      'after',
      examples('backup-planet prune', 'backup-planet prune shop --dry-run', 'backup-planet prune --repository offsite --json'),
    )
    .action(async (job: string | undefined, options: { repository?: string; dryRun?: true }) => {
      const workspace = await context.workspace()
      const name = chosenRepository(workspace.configuration, { job, ...options })
      await using repository = await workspace.repository(name)
      const report = await followWork(context, (followed) => {
        if (repository.prune === undefined) throw cannot(workspace.configuration, name, 'be pruned')
        return repository.prune({ dryRun: options.dryRun === true }, followed)
      })
      context.output.emit({ type: 'result', command: 'prune', repository: name, report })
      context.output.print(reportText(report, repository.destination))
      if (report.retained.length > 0) context.end(exitCodes.partial)
    })
}

function reportText({ dryRun, removedBytes, usedBytes, keptUnusedBytes, youngUnusedBytes, retained }: PruneReport, where: string): string {
  const freed = describeBytes(Math.max(0, removedBytes))
  return [
    `${dryRun ? 'would give back' : 'gave back'} ${freed} in ${printable(where)}; backups use ${describeBytes(usedBytes)}, and none of them ${dryRun ? 'would be' : 'was'} removed`,
    ...(keptUnusedBytes === 0
      ? []
      : [`${describeBytes(keptUnusedBytes)} that nobody uses ${dryRun ? 'would stay' : 'stay'} for now${youngText(youngUnusedBytes)}`]),
    ...retainedLines(retained),
  ].join('\n')
}

function youngText(bytes: number): string {
  return bytes === 0 ? '' : `, ${describeBytes(bytes)} of it because a run that was cut lately may still need it`
}

export function retainedLines(retained: readonly RetainedObject[]): readonly string[] {
  if (retained.length === 0) return []
  return [
    `the store refuses to remove ${count(retained.length, 'object')} now; a later prune tries again:`,
    ...retained.map(({ key, reason }) => `  ${printable(key)}: ${printable(reason)}`),
  ]
}
