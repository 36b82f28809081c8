import type { Problem } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { exitCodes } from '../exit-codes.ts'
import { failureFacts } from '../output/failure-text.ts'
import { count, problemsText } from '../output/plan-text.ts'
import { stagingProblems } from '../workspace/staging-problems.ts'
import { chainOf, type Workspace } from '../workspace/workspace.ts'
import { examples, kindOf, kindOption } from './command-options.ts'

export function addCheckCommand(program: Command, context: CommandContext): void {
  program
    .command('check')
    .summary('say what would fail now')
    .description(
      'Connects to the server and to the repository of each job and says what would make a backup fail now, with what to do about it.\nChanges nothing. Exit code 1 when there is an error.',
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

/** A repository that cannot be reached is a problem among others: the server is checked all the same. */
async function problemsOf(workspace: Workspace, job: string, kindText: string, context: CommandContext): Promise<readonly Problem[]> {
  const { signal } = context
  const problems: Problem[] = []
  const { exposure } = workspace.configuration
  if (exposure !== undefined) problems.push({ severity: 'error', code: 'INVALID_SETTINGS', ...exposure })
  const scratch = workspace.scratch()
  problems.push(...(await stagingProblems(scratch.directory, scratch.minimumFreeBytes)))
  await using agent = await workspace.agentOf(job)
  await using repository = await workspace.repositoryOf(job)
  const kind = kindOf(kindText, agent)
  const onProgress = (progress: { readonly type: string; readonly problem?: Problem }) => {
    if (progress.problem !== undefined) problems.push(progress.problem)
  }
  const chain = await chainOf(repository, job, { signal, onProgress }).catch((error: unknown) => {
    signal.throwIfAborted()
    const { message, hint } = failureFacts(error)
    problems.push({
      severity: 'error',
      code: codeOf(error),
      message: `the repository ${repository.destination} cannot be listed: ${message}`,
      hint,
    })
    return []
  })
  return [...problems, ...(await agent.check({ job, kind, chain }, { signal }))]
}

function codeOf(error: unknown): Problem['code'] {
  return failureFacts(error).code as Problem['code']
}
