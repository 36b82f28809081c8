import { type Backup, BackupError, copyBackup, type Problem, type Progress, type Repository } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { exitCodes } from '../exit-codes.ts'
import { failureFacts } from '../output/failure-text.ts'
import { printable } from '../output/output.ts'
import { count, problemsText } from '../output/plan-text.ts'
import { followRun } from '../progress/run-events.ts'
import { selectBackup } from '../restoring/backup-selection.ts'
import { UsageError } from '../usage-error.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { examples } from './command-options.ts'

interface CopyOptions {
  readonly to: string
  readonly backup?: string
}

interface CopyCounts {
  copied: number
  there: number
  failed: number
}

export function addCopyCommand(program: Command, context: CommandContext): void {
  program
    .command('copy')
    .summary('copy backups into another repository')
    .description(
      'Copies the backups of a job, or of all jobs, into another repository, oldest first; what is there already is not sent again. They keep their ids and restore from there like any others. Every file is checked on the way. The repositories may be of different kinds.\nExit code 3 when a damaged backup had to be left out; the others are copied.',
    )
    .argument('[job]', 'only the backups of this job')
    .requiredOption('--to <repository>', 'where to: a name under "repositories"')
    .option('--backup <id>', 'only this backup; a beginning or end of its id will do when it fits only one')
    .addHelpText(
      'after',
      examples(
        'backup-planet copy --to offsite',
        'backup-planet copy shop --to offsite',
        'backup-planet copy shop --backup 20260724T0200 --to offsite',
      ),
    )
    .action(async (job: string | undefined, options: CopyOptions) => {
      const workspace = await context.workspace()
      const jobs = jobsToCopy(workspace, job, options)
      await using to = await workspace.repository(options.to)
      const counts: CopyCounts = { copied: 0, there: 0, failed: 0 }
      for (const name of jobs) await copyJob(workspace, name, to, options, counts, context)
      context.output.emit({ type: 'result', command: 'copy', to: options.to, ...counts })
      context.output.print(countsText(counts, to.destination))
      if (counts.failed > 0) context.end(exitCodes.partial)
    })
}

/** Throws a `UsageError` where nothing could be copied. */
function jobsToCopy({ configuration, jobs }: Workspace, job: string | undefined, { to, backup }: CopyOptions): readonly string[] {
  configuration.repository(to)
  if (job === undefined && backup !== undefined) {
    throw new UsageError(
      '--backup needs the job that the backup is of',
      'Write it like backup-planet copy JOB --backup ID --to REPOSITORY.',
    )
  }
  const others = (job === undefined ? jobs : [job]).filter((name) => configuration.job(name).repository !== to)
  if (others.length > 0) return others
  throw new UsageError(
    `${job === undefined ? 'every job' : `job ${job}`} keeps its backups in "${to}" already`,
    'Name another repository with --to; a new one is added under "repositories" and created by: backup-planet init.',
  )
}

async function copyJob(
  workspace: Workspace,
  job: string,
  to: Repository,
  options: CopyOptions,
  counts: CopyCounts,
  context: CommandContext,
): Promise<void> {
  const { output, signal } = context
  await using from = await workspace.repositoryOf(job)
  const leaveOut = (problem: Problem) => {
    counts.failed++
    output.emit({ type: 'problem', problem })
    output.remark(problemsText([problem]))
  }
  const onProgress = (progress: Progress) => (progress.type === 'problem' ? leaveOut(progress.problem) : undefined)
  const backups: Backup[] = []
  if (options.backup !== undefined) backups.push(await selectBackup(from, job, options.backup, { signal }))
  else for await (const backup of from.list({ job }, { signal, onProgress })) backups.push(backup)
  const staging = workspace.staging()
  for (const backup of backups) {
    try {
      const { copied } = await followRun(context, (followed) => copyBackup({ from, to, backup, staging }, followed))
      counts[copied ? 'copied' : 'there']++
      output.emit({ type: 'copy', job, id: backup.id, copied })
      if (copied) output.remark(`copied: backup ${backup.id} of job ${job}`)
    } catch (error) {
      // A damaged backup does not keep the whole ones from being copied; whatever else is wrong would be wrong with the next one too.
      if (!BackupError.is(error) || error.code !== 'CORRUPTED') throw error
      leaveOut({ severity: 'error', ...failureFacts(error), code: error.code })
    }
  }
}

function countsText({ copied, there, failed }: CopyCounts, destination: string): string {
  return [
    `${count(copied, 'backup')} copied to ${printable(destination)}`,
    ...(there === 0 ? [] : [`${there} there already`]),
    ...(failed === 0 ? [] : [`${failed} left out because damaged`]),
  ].join(', ')
}
