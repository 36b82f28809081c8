import { resolve } from 'node:path'
import { extractFiles } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { exitCodes } from '../exit-codes.ts'
import { printable } from '../output/output.ts'
import { followRun, toldOptions } from '../progress/run-events.ts'
import { type BackupWish, selectBackup } from '../restoring/backup-selection.ts'
import { fromRepositoryOption, repositoryToRead } from '../workspace/repository-choice.ts'
import { examples, itemOption, itemsOf } from './command-options.ts'

interface FilesOptions extends BackupWish {
  readonly to: string
  readonly repository?: string
  readonly item?: readonly string[]
}

export function addFilesCommand(program: Command, context: CommandContext): void {
  program
    .command('files')
    .summary('unpack the files of a backup into a folder')
    .description(
      'Writes the files of a backup, each checked, into a folder of its own for each item. Touches no server. Without --backup and --at it is the newest backup.\nExit code 3 when items had failed when they were backed up.',
    )
    .argument('<job>', 'name of the job')
    .requiredOption('--to <folder>', 'where to; nothing in it is replaced')
    .option('--backup <id>', 'this backup; a beginning or end of its id will do when it fits only one')
    .option('--at <time>', 'the newest backup at or before this time')
    .addOption(fromRepositoryOption())
    .addOption(itemOption('only this item'))
    .addHelpText(
      'after',
      examples(
        'backup-planet files shop --to ./shop-files',
        'backup-planet files shop --backup 20260724T0200 --item orders --to /tmp/orders',
      ),
    )
    .action(async (job: string, options: FilesOptions) => {
      const workspace = await context.workspace()
      await using repository = await repositoryToRead(workspace, job, options)
      const backup = await selectBackup(repository, job, options, toldOptions(context))
      const directory = resolve(options.to)
      const report = await followRun(context, (followed) =>
        extractFiles({ repository, backup, directory, ...itemsOf(options.item) }, followed),
      )
      context.output.emit({ type: 'result', command: 'files', backup: backup.id, directory, report })
      context.output.print(`files of backup ${backup.id} are in ${directory}`)
      if (report.leftOut.length === 0) return
      context.output.print(`NOT among them, because they failed when they were backed up: ${report.leftOut.map(printable).join(', ')}`)
      context.end(exitCodes.partial)
    })
}
