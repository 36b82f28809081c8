import type { RebuildIndexReport } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { exitCodes } from '../exit-codes.ts'
import { printable } from '../output/output.ts'
import { count } from '../output/plan-text.ts'
import { followWork } from '../progress/work-progress.ts'
import { cannot, chosenRepository, repositoryOption } from '../workspace/repository-choice.ts'
import { examples } from './command-options.ts'
import { retainedLines } from './prune-command.ts'

export function addRebuildIndexCommand(program: Command, context: CommandContext): void {
  program
    .command('rebuild-index')
    .summary('write lost or damaged index files anew')
    .description(
      'Makes the index of a repository say what is stored in it, after index files were lost or damaged. Touches no data. Nobody else may work on the repository meanwhile.\nExit code 3 when something that the index should name is damaged or missing; verify says which backups are hit.',
    )
    .argument('[job]', 'the repository of this job')
    .addOption(repositoryOption())
    .option('--read-all', 'believe no index file, and read the table of contents of everything that is stored')
    .addHelpText('after', examples('backup-planet rebuild-index', 'backup-planet rebuild-index --repository offsite --read-all'))
    .action(async (job: string | undefined, options: { repository?: string; readAll?: true }) => {
      const workspace = await context.workspace()
      const name = chosenRepository(workspace.configuration, { job, ...options })
      await using repository = await workspace.repository(name)
      const report = await followWork(context, (followed) => {
        if (repository.rebuildIndex === undefined) throw cannot(workspace.configuration, name, 'have its index rebuilt')
        return repository.rebuildIndex({ readAll: options.readAll === true }, followed)
      })
      context.output.emit({ type: 'result', command: 'rebuild-index', repository: name, report })
      context.output.print(reportText(report, repository.destination))
      const { damagedPacks, missingPacks, retained } = report
      if (damagedPacks.length + missingPacks.length + retained.length > 0) context.end(exitCodes.partial)
    })
}

function reportText(
  { indexFilesWritten, indexFilesRemoved, damagedPacks, missingPacks, retained }: RebuildIndexReport,
  where: string,
): string {
  const done =
    indexFilesWritten + indexFilesRemoved === 0
      ? `the index in ${printable(where)} says what is stored; nothing was changed`
      : `wrote ${count(indexFilesWritten, 'index file')} in place of ${indexFilesRemoved} in ${printable(where)}`
  const hit = damagedPacks.length + missingPacks.length > 0
  return [
    done,
    ...damagedPacks.map(({ key, reason }) => `damaged: ${printable(key)}: ${printable(reason)}`),
    ...missingPacks.map((key) => `missing: ${printable(key)}`),
    ...(hit ? ['which backups are hit says: backup-planet verify --read-data'] : []),
    ...retainedLines(retained),
  ].join('\n')
}
