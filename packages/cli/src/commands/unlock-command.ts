import type { Repository, RepositoryLock } from '@backup-planet/core'
import type { Command } from 'commander'
import { ask, canAsk } from '../asking/operator-answer.ts'
import type { CommandContext } from '../command-context.ts'
import { lockText } from '../output/lock-text.ts'
import { count } from '../output/plan-text.ts'
import { UsageError } from '../usage-error.ts'
import { cannot, chosenRepository, repositoryOption } from '../workspace/repository-choice.ts'
import { examples } from './command-options.ts'

export function addUnlockCommand(program: Command, context: CommandContext): void {
  program
    .command('unlock')
    .summary('remove the locks of processes that are dead')
    .description(
      'Removes locks from a repository that killed processes left. With --all also those that look alive, which is only right when nobody works on the repository: it has to be agreed to by typing "remove", or with --yes.',
    )
    .argument('[job]', 'the repository of this job')
    .addOption(repositoryOption())
    .option('--all', 'every lock, whoever holds it')
    .option('--yes', 'agree to --all without being asked')
    .addHelpText(
      'after',
      examples('backup-planet unlock', 'backup-planet unlock shop --all', 'backup-planet unlock --repository offsite --all --yes'),
    )
    .action(async (job: string | undefined, options: { repository?: string; all?: true; yes?: true }) => {
      const workspace = await context.workspace()
      const name = chosenRepository(workspace.configuration, { job, ...options })
      await using repository = await workspace.repository(name)
      if (repository.unlock === undefined) throw cannot(workspace.configuration, name, 'be locked or unlocked')
      if (options.all === true && options.yes !== true) await confirmRemoval(repository, context)
      const { signal } = context
      const removed = await repository.unlock(options.all === true ? 'all' : 'stale', { signal })
      const left = (await repository.locks?.({ signal })) ?? []
      context.output.emit({ type: 'result', command: 'unlock', repository: name, removed, left })
      context.output.print([`removed ${count(removed, 'lock')}`, ...left.map((lock) => `left: ${lockText(lock)}`)].join('\n'))
    })
}

/** Who takes away the lock of a process that works may damage what it writes. Throws a `UsageError` when nobody agrees. */
async function confirmRemoval(repository: Repository, context: CommandContext): Promise<void> {
  const held = ((await repository.locks?.({ signal: context.signal })) ?? []).filter(({ stale }: RepositoryLock) => !stale)
  if (held.length === 0) return
  const locks = held.map((lock) => `  ${lockText(lock)}`).join('\n')
  if (!canAsk(context)) {
    throw new UsageError(
      `${count(held.length, 'lock')} may be of processes that work, and nobody can be asked:\n${locks}`,
      'See that none of these processes is running, then pass --yes to agree.',
    )
  }
  context.output.remark(`These may be of processes that work on the repository now:\n${locks}`)
  const answer = await ask('Type "remove" when you are sure that none of them does: ', context)
  if (answer.trim() !== 'remove') throw new UsageError('"remove" was not typed; nothing was changed', 'Start again once you are sure.')
}
