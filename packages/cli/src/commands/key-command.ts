import type { RepositoryKey, RepositoryKeys } from '@backup-planet/core'
import { type Command, Option } from 'commander'
import { readNewPassword } from '../asking/new-password.ts'
import type { CommandContext } from '../command-context.ts'
import { textTable } from '../output/text-table.ts'
import { changeOwnPassword, passwordChangeText } from '../workspace/password-change.ts'
import { cannot, chosenRepository, repositoryOption } from '../workspace/repository-choice.ts'
import { examples } from './command-options.ts'

interface KeyOptions {
  readonly repository?: string
  readonly newPasswordFile?: string
}

export function addKeyCommand(program: Command, context: CommandContext): void {
  const key = program
    .command('key')
    .summary('the passwords that open a repository')
    .description(
      'Adds, lists, removes and changes the passwords that open a repository. A new password is typed twice, or read from a file; it never stands on a command line.',
    )
    .addHelpText(
      'after',
      examples(
        'backup-planet key list',
        'backup-planet key add --new-password-file /root/second-password',
        'backup-planet key remove 2f1e88a0 --repository offsite',
        'backup-planet key passwd',
      ),
    )
  addAdd(key, context)
  addList(key, context)
  addRemove(key, context)
  addPasswd(key, context)
}

function addAdd(key: Command, context: CommandContext): void {
  key
    .command('add')
    .summary('let another password open the repository')
    .description('Lets another password open the repository as well, such as one that lies in a safe.')
    .addOption(repositoryOption())
    .addOption(newPasswordOption())
    .addHelpText(
      'after',
      examples('backup-planet key add', 'backup-planet key add --repository offsite --new-password-file /root/second-password'),
    )
    .action((options: KeyOptions) =>
      withKeys(options, context, async (keys, name) => {
        // Who opens it first types no new password in vain.
        await keys.list({ signal: context.signal })
        const password = await readNewPassword(options.newPasswordFile, context)
        const id = await keys.add(password, { signal: context.signal })
        context.output.emit({ type: 'result', command: 'key add', repository: name, id })
        context.output.print(`added key ${shortId(id)}: the new password opens the repository "${name}" as well`)
      }),
    )
}

function addList(key: Command, context: CommandContext): void {
  key
    .command('list')
    .summary('show the keys of the repository')
    .description(
      'Lists the keys of the repository: when, where and by whom they were made. * is the one that the configuration opens it with.',
    )
    .addOption(repositoryOption())
    .addHelpText('after', examples('backup-planet key list', 'backup-planet key list --repository offsite --json'))
    .action((options: KeyOptions) =>
      withKeys(options, context, async (keys, name) => {
        const found = await keys.list({ signal: context.signal })
        context.output.emit({ type: 'result', command: 'key list', repository: name, keys: found })
        context.output.print(keyTable(found))
      }),
    )
}

function addRemove(key: Command, context: CommandContext): void {
  key
    .command('remove')
    .summary('let a password open the repository no more')
    .description(
      'Removes a key: its password opens the repository no more. The key that the configuration opens the repository with cannot be removed.',
    )
    .argument('<id>', 'of the key, or the beginning of it')
    .addOption(repositoryOption())
    .addHelpText('after', examples('backup-planet key remove 2f1e88a0'))
    .action((id: string, options: KeyOptions) =>
      withKeys(options, context, async (keys, name) => {
        const removed = await keys.remove(id, { signal: context.signal })
        context.output.emit({ type: 'result', command: 'key remove', repository: name, id: removed })
        context.output.print(`removed key ${shortId(removed)}: its password opens the repository "${name}" no more`)
      }),
    )
}

function addPasswd(key: Command, context: CommandContext): void {
  key
    .command('passwd')
    .summary('change the password of the configuration')
    .description(
      'Changes the password that the configuration opens the repository with. A file that it names is rewritten: first the new key is added, then the file is replaced at once, then the old key goes, so that the repository opens with what the file says whenever this is cut.',
    )
    .addOption(repositoryOption())
    .addOption(newPasswordOption())
    .addHelpText('after', examples('backup-planet key passwd', 'backup-planet key passwd --new-password-file /root/new-password'))
    .action(async (options: KeyOptions) => {
      const workspace = await context.workspace()
      const name = chosenRepository(workspace.configuration, options)
      const change = await changeOwnPassword(workspace, name, () => readNewPassword(options.newPasswordFile, context), context.signal)
      context.output.emit({ type: 'result', command: 'key passwd', repository: name, id: change.id, file: change.file })
      context.output.print(passwordChangeText(change, name))
    })
}

async function withKeys(
  options: KeyOptions,
  context: CommandContext,
  work: (keys: RepositoryKeys, name: string) => Promise<void>,
): Promise<void> {
  const workspace = await context.workspace()
  const name = chosenRepository(workspace.configuration, options)
  await using repository = await workspace.repository(name)
  if (repository.keys === undefined) throw cannot(workspace.configuration, name, 'be opened by several passwords')
  await work(repository.keys, name)
}

function newPasswordOption(): Option {
  return new Option('--new-password-file <file>', 'a file with the new password as its only line; it is asked for twice when left out')
}

function keyTable(keys: readonly RepositoryKey[]): string {
  const columns = [{ title: '' }, { title: 'ID' }, { title: 'CREATED' }, { title: 'HOST' }, { title: 'USER' }]
  const rows = keys.map(({ current, id, created, hostname, username }) => [current ? '*' : '', shortId(id), created, hostname, username])
  return textTable(columns, rows)
}

/** As much as restic shows. */
function shortId(id: string): string {
  return id.slice(0, 8)
}
