import { describeBytes, type RepositoryStatistics } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { printable } from '../output/output.ts'
import { count } from '../output/plan-text.ts'
import { textTable } from '../output/text-table.ts'
import { followWork } from '../progress/work-progress.ts'
import { cannot, chosenRepository, repositoryOption } from '../workspace/repository-choice.ts'
import { examples } from './command-options.ts'

export function addStatsCommand(program: Command, context: CommandContext): void {
  program
    .command('stats')
    .summary('show what a repository holds and takes')
    .description(
      'Shows how much a repository takes in its store, how much of that each job needs, alone and together with others, and what prune would give back. Changes nothing.',
    )
    .argument('[job]', 'the repository of this job')
    .addOption(repositoryOption())
    .addHelpText('after', examples('backup-planet stats', 'backup-planet stats shop', 'backup-planet stats --repository offsite --json'))
    .action(async (job: string | undefined, options: { repository?: string }) => {
      const workspace = await context.workspace()
      const name = chosenRepository(workspace.configuration, { job, ...options })
      await using repository = await workspace.repository(name)
      const statistics = await followWork(context, (followed) => {
        if (repository.stats === undefined) throw cannot(workspace.configuration, name, 'say what it holds and takes')
        return repository.stats(followed)
      })
      context.output.emit({ type: 'result', command: 'stats', repository: name, statistics })
      context.output.print(statisticsText(statistics, repository.destination))
    })
}

function statisticsText({ backups, storedBytes, unusedBytes, contentBytes, ratio, jobs }: RepositoryStatistics, where: string): string {
  const times = ratio === undefined ? '' : ` (${ratio.toFixed(1)} : 1)`
  const unused = unusedBytes === 0 ? '' : `; ${describeBytes(unusedBytes)} of it are used by no backup, which prune can give back`
  const columns = [
    { title: 'JOB' },
    { title: 'BACKUPS', align: 'right' },
    { title: 'SIZE', align: 'right' },
    { title: 'NEEDS', align: 'right' },
    { title: 'ALONE', align: 'right' },
  ] as const
  const rows = jobs.map((job) => [
    job.job,
    String(job.backups),
    describeBytes(job.contentBytes),
    describeBytes(job.usedBytes),
    describeBytes(job.ownBytes),
  ])
  return [
    `${printable(where)}: ${count(backups, 'backup')} of ${describeBytes(contentBytes)} take ${describeBytes(storedBytes)}${times}${unused}`,
    ...(rows.length === 0 ? [] : [textTable(columns, rows)]),
  ].join('\n')
}
