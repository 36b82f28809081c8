import { type Backup, describeBytes, type Problem, type Progress, type Repository } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { describeDuration } from '../configuration/duration.ts'
import { exitCodes } from '../exit-codes.ts'
import { problemsText } from '../output/plan-text.ts'
import { textTable } from '../output/text-table.ts'
import { withEveryRepository } from '../workspace/every-repository.ts'
import { repositoriesOf } from '../workspace/repository-choice.ts'
import { examples } from './command-options.ts'

export function addListCommand(program: Command, context: CommandContext): void {
  program
    .command('list')
    .summary('show the backups there are')
    .description(
      'Lists the backups in the repositories, oldest first, read from the repositories themselves. Exit code 3 when a record cannot be read, or one of several repositories not be reached.',
    )
    .argument('[job]', 'only this job')
    .addHelpText('after', examples('backup-planet list', 'backup-planet list shop', 'backup-planet list shop --json'))
    .action(async (job: string | undefined) => {
      const workspace = await context.workspace()
      const repositories = repositoriesOf(workspace.configuration, job)
      const backups: ListedBackup[] = []
      let unreadable = 0
      const tell = (problem: Problem) => {
        unreadable++
        context.output.emit({ type: 'problem', problem })
        context.output.remark(problemsText([problem]))
      }
      const list = async (repository: Repository, name: string) => {
        const onProgress = (progress: Progress) => (progress.type === 'problem' ? tell(progress.problem) : undefined)
        for await (const backup of repository.list(job === undefined ? {} : { job }, { signal: context.signal, onProgress })) {
          const storedBytes = repository.storedBytes?.(backup)
          backups.push({ ...backup, repository: name, storedBytes })
          context.output.emit({ type: 'backup', repository: name, backup, storedBytes })
        }
      }
      await withEveryRepository(workspace, repositories, 'listed', list, { signal: context.signal, onProblem: tell })
      context.output.emit({ type: 'result', command: 'list', backups: backups.length, unreadable })
      context.output.print(
        backups.length === 0
          ? `no backups${job === undefined ? '' : ` of job ${job}`} yet`
          : backupTable(backups, context.now(), repositories.length > 1),
      )
      if (unreadable > 0) context.end(exitCodes.partial)
    })
}

interface ListedBackup extends Backup {
  readonly repository: string
  /** What it takes in the store, where the repository knows. */
  readonly storedBytes: number | undefined
}

function backupTable(backups: readonly ListedBackup[], now: number, severalRepositories: boolean): string {
  const columns = [
    ...(severalRepositories ? [{ title: 'REPOSITORY' }] : []),
    { title: 'JOB' },
    { title: 'ID' },
    { title: 'TIME' },
    { title: 'KIND' },
    { title: 'STATUS' },
    { title: 'ITEMS', align: 'right' },
    { title: 'SIZE', align: 'right' },
    { title: 'STORED', align: 'right' },
    { title: 'AGE', align: 'right' },
  ] as const
  const ordered = backups.toSorted((a, b) => a.job.localeCompare(b.job) || a.consistentAt.localeCompare(b.consistentAt))
  return textTable(
    columns,
    ordered.map((backup) => [
      ...(severalRepositories ? [backup.repository] : []),
      backup.job,
      backup.id,
      backup.consistentAt.replace(/\.\d+Z$/, 'Z'),
      backup.kind,
      backup.limitedTo === undefined ? backup.status : `${backup.status}, limited`,
      itemsText(backup),
      describeBytes(sizeOf(backup)),
      backup.storedBytes === undefined ? '' : describeBytes(backup.storedBytes),
      describeDuration(now - Date.parse(backup.consistentAt)),
    ]),
  )
}

function itemsText({ items }: Backup): string {
  const failed = items.filter(({ failure }) => failure !== undefined).length
  return failed === 0 ? String(items.length) : `${items.length - failed} of ${items.length}`
}

/** Before compression; from the files where the agent counted nothing. */
export function sizeOf({ items }: Backup): number {
  return items.reduce((sum, { bytes, files }) => sum + (bytes ?? files?.reduce((total, { size }) => total + size, 0) ?? 0), 0)
}
