import { randomBytes } from 'node:crypto'
import { mkdir, open, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BackupError } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { parseConfiguration } from '../configuration/configuration-file.ts'
import { exampleConfiguration } from '../configuration/example-configuration.ts'
import { createPluginRegistry } from '../plugins/plugin-registry.ts'
import { UsageError } from '../usage-error.ts'
import { examples } from './command-options.ts'

interface InitOptions {
  readonly agent: string
  readonly job?: string
  readonly repository?: string
  readonly encryption: boolean
}

export function addInitCommand(program: Command, context: CommandContext): void {
  program
    .command('init')
    .summary('write a configuration to begin with')
    .description(
      'Writes a commented configuration file, creates the folder of the repository and a passphrase that encrypts it.\nNever replaces anything. The file is ./backup-planet.yaml unless --config names another.',
    )
    .option('--agent <application>', 'what is backed up', 'mysql')
    .option('--job <name>', 'name of the job; the name of the application when left out')
    .option('--repository <folder>', 'where backups are kept; the folder "backups" beside the file when left out')
    .option('--no-encryption', 'keep backups readable for everybody who can read the folder')
    .addHelpText(
      'after',
      examples(
        'backup-planet init',
        'backup-planet init --agent mysql --job shop --repository /mnt/nas/backups',
        'backup-planet init --config /etc/backup-planet/backup-planet.yaml',
      ),
    )
    .action((options: InitOptions) => initialize(options, context))
}

async function initialize(options: InitOptions, context: CommandContext): Promise<void> {
  const file = resolve(await context.configurationFile())
  if (await exists(file)) throw existsAlready(file)
  const folder = dirname(file)
  const repositoryFolder = resolve(options.repository ?? join(folder, 'backups'))
  const passphraseFile = join(folder, 'backup-planet-passphrase')
  if (options.encryption && !relative(repositoryFolder, passphraseFile).startsWith('..')) {
    throw new UsageError(
      `the passphrase file ${passphraseFile} would lie inside the repository ${repositoryFolder}`,
      'Choose another folder with --repository: a passphrase beside the backups protects nothing.',
    )
  }
  const registry = createPluginRegistry({ plugins: context.plugins, directory: folder })
  const [agent, repository] = [await registry.agent(options.agent), await registry.repository('archive')]
  const text = exampleConfiguration({
    job: options.job ?? agent.application,
    application: agent.application,
    agentSettings: agent.exampleSettings,
    repositoryKind: repository.kind,
    repositorySettings: repository.exampleSettings,
    destination: pathToFileURL(repositoryFolder).href,
    passphraseFile: options.encryption ? passphraseFile : undefined,
  })
  parseConfiguration(text, file)

  await createFolder(folder)
  await createFolder(repositoryFolder)
  const created = options.encryption && (await createFile(passphraseFile, `${randomBytes(32).toString('base64url')}\n`))
  if (!(await createFile(file, text))) throw existsAlready(file)

  context.output.emit({
    type: 'result',
    command: 'init',
    file,
    repository: repositoryFolder,
    passphraseFile: options.encryption ? passphraseFile : null,
  })
  const job = options.job ?? agent.application
  context.output.print(nextSteps({ ...options, file, repositoryFolder, passphraseFile, created, job, settings: agent.exampleSettings }))
}

function nextSteps(
  done: InitOptions & { file: string; repositoryFolder: string; passphraseFile: string; created: boolean; job: string; settings: string },
): string {
  const secret = done.created
    ? `wrote ${done.passphraseFile}: the passphrase of the repository`
    : `kept ${done.passphraseFile}: the passphrase that was there already is used`
  const warning = 'Keep a copy of the passphrase somewhere else, such as a password manager: without it no backup can be read, by anybody.'
  return [
    `wrote ${done.file}`,
    `repository ${done.repositoryFolder}`,
    ...(done.encryption ? [secret, '', warning] : []),
    '',
    'Next:',
    `  1. write the address and user of your server into ${done.file}`,
    ...variablesIn(done.settings).map((name) => `     and set ${name} in the environment, or write \${file:/path} in its place`),
    `  2. backup-planet check ${done.job}`,
    `  3. backup-planet run ${done.job}`,
  ].join('\n')
}

/** Of the lines that are no comments. */
function variablesIn(yaml: string): readonly string[] {
  const lines = yaml.split('\n').filter((line) => !/^\s*#/.test(line))
  return lines.flatMap((line) => [...line.matchAll(/\$\{env:(\w+)\}/g)].map(([, name = '']) => name))
}

/** Whether it was created; a file that is there is left as it is. */
async function createFile(path: string, text: string): Promise<boolean> {
  try {
    await using file = await open(path, 'wx', 0o600)
    await file.writeFile(text)
    await file.sync()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw notCreated(path, error)
  }
}

async function createFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw notCreated(path, error)
  }
}

function notCreated(path: string, error: unknown): BackupError {
  const { code } = error as NodeJS.ErrnoException
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  return new BackupError(`${path} cannot be created (${code ?? 'unknown reason'})`, {
    code: full ? 'OUT_OF_SPACE' : 'ACCESS_DENIED',
    hint: full
      ? 'Free space on that disk, or name another place with --config or --repository.'
      : 'Name another place with --config or --repository, or see that this user may write there and no file is in the way.',
    cause: error,
  })
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

function existsAlready(file: string): BackupError {
  return new BackupError(`there is a configuration file ${file} already`, {
    code: 'ALREADY_EXISTS',
    hint: 'Edit it, or write another one with --config FILE; nothing was changed.',
  })
}
