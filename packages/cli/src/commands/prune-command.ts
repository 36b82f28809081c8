import { describeBytes, type PruneReport, type Repository, type RetainedObject } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { exitCodes } from '../exit-codes.ts'
import { printable } from '../output/output.ts'
import { count, problemsText } from '../output/plan-text.ts'
import { followWork } from '../progress/work-progress.ts'
import type { Retention } from '../running/retire-backups.ts'
import { UsageError } from '../usage-error.ts'
import { withEveryRepository } from '../workspace/every-repository.ts'
import { cannot, chosenRepository, repositoriesOf, repositoryOption } from '../workspace/repository-choice.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { examples } from './command-options.ts'
import { applyJobRetention, type PrunedRepository } from './job-retention.ts'

export function addPruneCommand(program: Command, context: CommandContext): void {
  program
    .command('prune')
    .summary('remove backups by retention, and give back what none uses')
    .description(
      'With a job that has a retention in the configuration: removes what its rules do not keep, in each repository of the job by itself, and says of every backup whether it is kept or removed, and why. What a kept backup needs, and the last that can be restored, is always kept.\nThen, or without such a job at once, gives back in a repository what no backup uses: what runs left that were cut, and what removed backups left. Nobody else may work on the repository meanwhile.\nIt may be stopped at any time: every backup that is kept stays whole, and the next prune goes on. Exit code 3 when the store retains something, or one of several repositories cannot be reached.',
    )
    .argument('[job]', 'apply the retention of this job in all of its repositories')
    .addOption(repositoryOption())
    .option('--dry-run', 'say what would be removed and given back, and do nothing')
    .addHelpText(
      'after',
      examples(
        'backup-planet prune shop --dry-run',
        'backup-planet prune shop',
        'backup-planet prune shop --repository offsite',
        'backup-planet prune --repository offsite --json',
      ),
    )
    .action(async (job: string | undefined, options: PruneOptions) => {
      const workspace = await context.workspace()
      const retention = job === undefined ? undefined : workspace.configuration.job(job).retention
      if (job !== undefined && retention !== undefined) await pruneJob(workspace, job, retention, options, context)
      else await pruneRepository(workspace, job, options, context)
    })
}

interface PruneOptions {
  readonly repository?: string
  readonly dryRun?: true
}

async function pruneRepository(
  workspace: Workspace,
  job: string | undefined,
  options: PruneOptions,
  context: CommandContext,
): Promise<void> {
  const name = chosenRepository(workspace.configuration, { job, ...options })
  context.output.remark(noRetentionText(workspace, job))
  await using repository = await workspace.repository(name)
  if (repository.prune === undefined) throw cannot(workspace.configuration, name, 'be pruned')
  const report = await giveBack(repository, options, context)
  context.output.emit({ type: 'result', command: 'prune', repository: name, report })
  if (report !== undefined && report.retained.length > 0) context.end(exitCodes.partial)
}

async function pruneJob(
  workspace: Workspace,
  job: string,
  retention: Retention,
  options: PruneOptions,
  context: CommandContext,
): Promise<void> {
  const { output, signal } = context
  const names = repositoriesToPrune(workspace, job, options)
  const repositories: PrunedRepository[] = []
  let failed = 0
  const prune = async (repository: Repository, name: string) => {
    const applied = await applyJobRetention(workspace, { job, repository, name, retention, dryRun: options.dryRun === true }, context)
    const { dryRun, removed, decisions, bytes, retained } = applied
    const going = decisions.filter(({ action }) => action === 'remove').map(({ backup }) => backup.id)
    const report = repository.prune === undefined ? undefined : await giveBack(repository, options, context, going.length > 0)
    repositories.push({
      repository: name,
      removed: dryRun ? going : removed,
      kept: decisions.length - going.length,
      bytes,
      retained: [...retained, ...(report?.retained ?? [])],
      report,
    })
  }
  await withEveryRepository(workspace, names, 'pruned', prune, {
    signal,
    onProblem(problem) {
      failed++
      output.emit({ type: 'problem', problem })
      output.remark(problemsText([problem]))
    },
  })
  output.emit({ type: 'result', command: 'prune', job, dryRun: options.dryRun === true, repositories, failed })
  if (failed > 0 || repositories.some(({ retained }) => retained.length > 0)) context.end(exitCodes.partial)
}

/** All of the job, or the one of them that is named. */
function repositoriesToPrune({ configuration }: Workspace, job: string, { repository }: PruneOptions): readonly string[] {
  const names = repositoriesOf(configuration, job)
  if (repository === undefined) return names
  configuration.repository(repository)
  if (names.includes(repository)) return [repository]
  throw new UsageError(`job ${job} has no backups in "${repository}"`, `Its repositories are: ${names.join(', ')}.`)
}

function noRetentionText({ configuration }: Workspace, job: string | undefined): string {
  if (job !== undefined) return `no retention is configured for job ${job}: no backup is removed`
  const jobs = Object.entries(configuration.content.jobs).flatMap(([name, { retention }]) => (retention === undefined ? [] : [name]))
  if (jobs.length === 0) return 'no retention is configured: no backup is removed'
  return `no job is named: no backup is removed; a retention is applied by: ${jobs.map((name) => `backup-planet prune ${name}`).join(', ')}`
}

async function giveBack(
  repository: Repository,
  { dryRun }: PruneOptions,
  context: CommandContext,
  anyRemoved = false,
): Promise<PruneReport | undefined> {
  const report = await followWork(context, async (followed) => await repository.prune?.({ dryRun: dryRun === true }, followed))
  if (report !== undefined) context.output.print(reportText(report, repository.destination, anyRemoved))
  return report
}

/** @param anyRemoved whether backups were removed before, or would be */
function reportText(report: PruneReport, where: string, anyRemoved: boolean): string {
  const { dryRun, removedBytes, usedBytes, keptUnusedBytes, youngUnusedBytes, retained } = report
  const freed = describeBytes(Math.max(0, removedBytes))
  return [
    `${dryRun ? 'would give back' : 'gave back'} ${freed} in ${printable(where)}; backups use ${describeBytes(usedBytes)}${anyRemoved ? '' : `, and none of them ${dryRun ? 'would be' : 'was'} removed`}`,
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
