import { type Backup, BackupError, type Problem, type Repository, readChain } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { sourceOf, sourceText } from '../configuration/password-reference.ts'
import { exitCodes } from '../exit-codes.ts'
import { failureFacts } from '../output/failure-text.ts'
import { lockText } from '../output/lock-text.ts'
import { count, problemsText } from '../output/plan-text.ts'
import { repositoryProblems } from '../workspace/repository-probe.ts'
import { stagingProblems } from '../workspace/staging-problems.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { examples, kindOf, kindOption } from './command-options.ts'

export function addCheckCommand(program: Command, context: CommandContext): void {
  program
    .command('check')
    .summary('say what would fail now')
    .description(
      'Connects to the server and to every repository of each job and says what would make a backup fail now, with what to do about it.\nChanges nothing on the server; in the repositories it writes small objects, reads them back and removes them. A store that can do more\nis tried for all that is asked of it, such as parts, ranges and conditions. Exit code 1 when there is an error.',
    )
    .argument('[job]', 'only this job')
    .addOption(kindOption())
    .addHelpText('after', examples('backup-planet check', 'backup-planet check shop --kind log', 'backup-planet check --json'))
    .action(async (job: string | undefined, options: { kind: string }) => {
      const workspace = await context.workspace()
      const names = job === undefined ? workspace.jobs : [job]
      let errors = 0
      for (const name of names) {
        const problems = await problemsOf(workspace, name, options.kind, context)
        errors += problems.filter(({ severity }) => severity === 'error').length
        context.output.emit({ type: 'result', command: 'check', job: name, problems })
        context.output.print(
          problems.length === 0
            ? `job ${name}: nothing stands against a backup`
            : `job ${name}: ${count(problems.length, 'problem')}\n${problemsText(problems)}`,
        )
      }
      if (names.length === 0) context.output.remark(`there is no job in ${workspace.configuration.file}`)
      if (errors > 0) context.end(exitCodes.failed)
    })
}

/**
 * Everything that stands against a run, found as far as possible in one go: a repository that cannot be reached is a problem
 * among others, and so is a server. Only a mistake in the configuration is thrown.
 */
async function problemsOf(workspace: Workspace, job: string, kindText: string, context: CommandContext): Promise<readonly Problem[]> {
  const { signal } = context
  const problems: Problem[] = []
  const failed = (error: unknown, what = ''): void => {
    signal.throwIfAborted()
    if (BackupError.is(error) && error.code === 'INVALID_SETTINGS') throw error
    const { code, message, hint } = failureFacts(error)
    problems.push({ severity: 'error', code: code as Problem['code'], message: `${what}${message}`, hint })
  }
  const { exposure } = workspace.configuration
  if (exposure !== undefined) problems.push({ severity: 'error', code: 'INVALID_SETTINGS', ...exposure })
  const scratch = workspace.scratch()
  problems.push(...(await stagingProblems(scratch.directory, scratch.minimumFreeBytes)))
  await using agent = await workspace.agentOf(job)
  await using repository = await workspace.mirroredRepositoryOf(job)
  const kind = kindOf(kindText, agent)
  let unlisted: unknown
  const chain = await listedChain(repository, job, problems, context).catch((error: unknown) => {
    unlisted = error
    return undefined
  })
  const placeProblems = isAway(unlisted) ? [] : await ofPlace(workspace, job, context)
  problems.push(...placeProblems)
  // A place that fails by itself has said it better.
  if (unlisted !== undefined && !placeProblems.some(({ code }) => BackupError.is(unlisted) && code === unlisted.code))
    failed(wrongPassword(unlisted, workspace, job, repository), `the repository ${repository.destination} cannot be listed: `)
  if (chain !== undefined) {
    await addLocks(repository, workspace.configuration.job(job).repository, problems, context).catch((error: unknown) => {
      failed(error, `the locks of ${repository.destination} cannot be read: `)
    })
    await addFindings(repository, job, problems, context).catch((error: unknown) => {
      failed(error, `the repository ${repository.destination} cannot be looked through: `)
    })
  }
  for (const mirror of workspace.configuration.job(job).mirrors ?? [])
    problems.push(...(await mirrorProblems(workspace, mirror, job, context)))
  try {
    problems.push(...(await agent.check({ job, kind, chain: chain ?? [] }, { signal })))
  } catch (error) {
    failed(error)
  }
  return problems
}

async function ofPlace(workspace: Workspace, job: string, { signal }: CommandContext): Promise<readonly Problem[]> {
  await using uploader = await workspace.uploader(workspace.configuration.job(job).repository)
  return await repositoryProblems(uploader, { signal })
}

/** Nobody answers: whatever is asked next would only wait for the same. */
function isAway(error: unknown): boolean {
  return BackupError.is(error) && ['UNREACHABLE', 'TIMED_OUT', 'OVERLOADED'].includes(error.code)
}

/** A mirror that fails does not fail the run: what stands against it is a warning. */
async function mirrorProblems(workspace: Workspace, name: string, job: string, { signal }: CommandContext): Promise<readonly Problem[]> {
  try {
    await using repository = await workspace.repository(name)
    for await (const _ of repository.list({ job }, { signal })) break
    await using uploader = await workspace.uploader(name)
    const problems = await repositoryProblems(uploader, { signal })
    return problems.map((problem) => ({ ...problem, severity: 'warning' }))
  } catch (error) {
    signal.throwIfAborted()
    if (BackupError.is(error) && error.code === 'INVALID_SETTINGS') throw error
    const { code, message, hint } = failureFacts(error)
    return [{ severity: 'warning', code: code as Problem['code'], message: `the mirror "${name}" cannot be used: ${message}`, hint }]
  }
}

/** Says where the password of a repository comes from, which the repository itself does not know. */
function wrongPassword(error: unknown, { configuration }: Workspace, job: string, { keys }: Repository): unknown {
  if (!BackupError.is(error) || error.code !== 'WRONG_CREDENTIALS' || keys === undefined) return error
  const name = configuration.job(job).repository
  const source = sourceOf(configuration.repository(name).password)
  return new BackupError(error.message, {
    code: error.code,
    hint: `Put a password that opens the repository into ${sourceText(source, configuration.file)}, where repositories.${name}.password is read from; without one nobody can read the backups.`,
    cause: error,
  })
}

/** Somebody who has the repository alone keeps the next run from storing. */
async function addLocks(repository: Repository, name: string, problems: Problem[], { signal }: CommandContext): Promise<void> {
  for (const lock of (await repository.locks?.({ signal })) ?? []) {
    if (lock.stale || !lock.exclusive) continue
    problems.push({
      severity: 'error',
      code: 'CONFLICT',
      message: `nothing can be stored in ${repository.destination} now: ${lockText(lock)}`,
      hint: `Wait until that process has ended. If you are sure that it is dead, remove its lock with: backup-planet unlock --all --repository ${name}`,
    })
  }
}

/**
 * What a repository finds amiss that is of no backup stands in the way of the next one, such as a passphrase that does not fit. It comes
 * first; going through the backups is the business of `verify`.
 */
async function addFindings(repository: Repository, job: string, problems: Problem[], { signal }: CommandContext): Promise<void> {
  for await (const { severity, backup, code, message, hint } of repository.verify({ job }, { signal })) {
    if (backup !== undefined) return
    if (severity === 'ok' || code === undefined) continue
    // Records that cannot be read were told with the list.
    if (problems.some((problem) => problem.message.includes(message))) continue
    problems.push({ severity: 'error', code, message, hint: hint ?? failureFacts(new BackupError(message, { code })).hint })
  }
}

function listedChain(repository: Repository, job: string, problems: Problem[], { signal }: CommandContext): Promise<readonly Backup[]> {
  const onProgress = (progress: { readonly type: string; readonly problem?: Problem }) => {
    if (progress.problem !== undefined) problems.push(progress.problem)
  }
  return readChain(repository, job, { signal, onProgress })
}
