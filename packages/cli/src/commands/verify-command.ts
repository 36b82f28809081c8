import { BackupError, type Finding, type Repository, verify } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { exitCodes } from '../exit-codes.ts'
import { printable } from '../output/output.ts'
import { count } from '../output/plan-text.ts'
import { followEvents } from '../progress/run-events.ts'
import { selectBackup } from '../restoring/backup-selection.ts'
import { UsageError } from '../usage-error.ts'
import { withEveryRepository } from '../workspace/every-repository.ts'
import { repositoriesOf } from '../workspace/repository-choice.ts'
import { examples } from './command-options.ts'

interface VerifyOptions {
  readonly readData?: true
  readonly subset?: string
  readonly backup?: string
}

export function addVerifyCommand(program: Command, context: CommandContext): void {
  program
    .command('verify')
    .summary('check that the backups are whole')
    .description(
      'Checks every backup in the repositories: its structure always, every byte of it with --read-data. Changes nothing. Exit code 1 when one is damaged, when there is none at all, and when a repository cannot be reached.',
    )
    .argument('[job]', 'only this job')
    .option('--read-data', 'read everything and compare checksums; takes as long as downloading it')
    .option('--subset <part>', 'with --read-data: only one part of the data, such as 1/7, so that a week of runs reads everything once')
    .option('--backup <id>', 'only this backup')
    .addHelpText(
      'after',
      examples('backup-planet verify', 'backup-planet verify shop --read-data', 'backup-planet verify --read-data --subset 1/7'),
    )
    .action(async (job: string | undefined, options: VerifyOptions) => {
      const subset = subsetOf(options)
      if (options.backup !== undefined && job === undefined) {
        throw new UsageError('--backup needs the job that the backup is of', 'Write it like backup-planet verify JOB --backup ID.')
      }
      const workspace = await context.workspace()
      const names = repositoriesOf(workspace.configuration, job)
      const findings: Finding[] = []
      const tell = (finding: Finding, name: string) => {
        findings.push(finding)
        context.output.emit({ type: 'finding', repository: name, finding })
        context.output.remark(findingText(finding))
      }
      const check = async (repository: Repository, name: string) => {
        const request = {
          repository,
          readData: options.readData === true,
          ...(subset === undefined ? {} : { subset }),
          ...(job === undefined ? {} : { job }),
          ...(job === undefined || options.backup === undefined
            ? {}
            : { id: (await selectBackup(repository, job, options.backup, { signal: context.signal })).id }),
        }
        using follower = followEvents(context)
        for await (const finding of verify(request, { signal: context.signal, onEvent: follower.onEvent })) tell(finding, name)
      }
      await withEveryRepository(workspace, names, 'verified', check, { signal: context.signal, onProblem: tell })
      if (findings.length === 0) throw nothingToVerify(job)
      const errors = findings.filter(({ severity }) => severity === 'error').length
      const whole = findings.filter(({ severity }) => severity === 'ok').length
      context.output.emit({ type: 'result', command: 'verify', whole, errors, warnings: findings.length - whole - errors })
      context.output.print(`${count(whole, 'backup')} ${depthOf(options)}, ${count(errors, 'error')}`)
      if (errors > 0) context.end(exitCodes.failed)
    })
}

/** Throws a `UsageError` for what is no part. */
function subsetOf({ subset, readData }: VerifyOptions): { readonly part: number; readonly of: number } | undefined {
  if (subset === undefined) return undefined
  if (readData !== true) throw new UsageError('--subset is a part of the data, which only --read-data reads', 'Add --read-data.')
  const [, part, of] = (/^(\d{1,6})\/(\d{1,6})$/.exec(subset) ?? []).map(Number)
  if (part !== undefined && of !== undefined && part >= 1 && part <= of) return { part, of }
  throw new UsageError(`--subset ${JSON.stringify(subset)} is no part of the data`, 'Write it like 1/7: the first of seven parts.')
}

function depthOf({ readData, subset }: VerifyOptions): string {
  if (readData !== true) return 'whole in structure'
  return subset === undefined ? 'read and whole' : `whole, as far as part ${subset} of the data tells`
}

/** Whoever verifies every night wants to hear of an empty disk, such as one that is not mounted. */
function nothingToVerify(job: string | undefined): BackupError {
  return new BackupError(job === undefined ? 'there is no backup to verify' : `there is no backup of job ${job} to verify`, {
    code: 'NOT_FOUND',
    hint: `Make one with "backup-planet run ${job ?? 'JOB'}"; if there should be some, see whether the disk or bucket of the repository is the right one and mounted.`,
  })
}

function findingText({ severity, backup, message, hint, code }: Finding): string {
  const about = backup === undefined || message.includes(backup) ? '' : ` ${printable(backup)}`
  if (severity === 'ok') return `ok:${about} ${printable(message)}`
  return [
    `${severity}: ${code ?? 'UNKNOWN'}${about}`,
    `  ${printable(message)}`,
    ...(hint === undefined ? [] : [`  hint: ${printable(hint)}`]),
  ].join('\n')
}
