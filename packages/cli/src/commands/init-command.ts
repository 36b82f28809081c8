import { randomBytes } from 'node:crypto'
import { mkdir, open, rm, stat } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { BackupError, type Problem } from '@backup-planet/core'
import type { Command } from 'commander'
import type { CommandContext } from '../command-context.ts'
import { type Configuration, parseConfiguration } from '../configuration/configuration-file.ts'
import { exampleConfiguration } from '../configuration/example-configuration.ts'
import { repositorySecrets } from '../configuration/repository-secret.ts'
import { exitCodes } from '../exit-codes.ts'
import { problemsText } from '../output/plan-text.ts'
import { createPluginRegistry } from '../plugins/plugin-registry.ts'
import { UsageError } from '../usage-error.ts'
import { createRepositories, creationText, type RepositoryCreation } from '../workspace/repository-creation.ts'
import { createWorkspace } from '../workspace/workspace.ts'
import { examples } from './command-options.ts'

interface InitOptions {
  readonly agent?: string
  readonly job?: string
  readonly repository?: string
  readonly repositoryKind?: string
  readonly encryption: boolean
}

export function addInitCommand(program: Command, context: CommandContext): void {
  program
    .command('init')
    .summary('write a configuration to begin with, and create its repository')
    .description(
      'Writes a commented configuration file, creates the folder of the repository, a password that encrypts it, and the repository.\nNever replaces anything. The file is ./backup-planet.yaml unless --config names another. Where it is there already, init without options creates the repositories that it names and that are not there yet.',
    )
    .option('--agent <application>', 'what is backed up; mysql when left out')
    .option('--job <name>', 'name of the job; the name of the application when left out')
    .option('--repository <folder>', 'where backups are kept; the folder "backups" beside the file when left out')
    .option('--repository-kind <kind>', 'restic (deduplicated, always encrypted) or archive (plain files); restic when left out')
    .option('--no-encryption', 'with --repository-kind archive: keep backups readable for everybody who can read the folder')
    .addHelpText(
      'after',
      examples(
        'backup-planet init',
        'backup-planet init --agent mysql --job shop --repository /mnt/nas/backups',
        'backup-planet init --repository-kind archive',
        'backup-planet init --config /etc/backup-planet/backup-planet.yaml',
      ),
    )
    .action(async (options: InitOptions) => {
      const file = resolve(await context.configurationFile())
      if (!(await exists(file))) return begin(file, options, context)
      if (!options.encryption || Object.keys(options).length > 1) throw existsAlready(file)
      await createMissing(file, context)
    })
}

/** For a configuration that was written by hand, or goes on after an init that was cut. */
async function createMissing(file: string, context: CommandContext): Promise<void> {
  const failed: Problem[] = []
  const tell = (problem: Problem) => {
    failed.push(problem)
    context.output.emit({ type: 'problem', problem })
    context.output.remark(problemsText([problem]))
  }
  const repositories = await createRepositories(await context.workspace(), context.signal, tell)
  context.output.emit({ type: 'result', command: 'init', file, written: false, repositories, passwordFile: null })
  context.output.print([`${file} was there already`, ...repositories.map(creationText)].join('\n'))
  if (failed.length > 0) context.end(exitCodes.failed)
}

async function begin(file: string, options: InitOptions, context: CommandContext): Promise<void> {
  const folder = dirname(file)
  const place = resolve(options.repository ?? join(folder, 'backups'))
  const registry = createPluginRegistry({ plugins: context.plugins, directory: folder })
  const agent = await registry.agent(options.agent ?? 'mysql')
  const repository = await registry.repository(options.repositoryKind ?? 'restic')
  const secret = options.encryption ? repositorySecrets[repository.kind] : undefined
  if (!options.encryption && repository.kind === 'restic') throw alwaysEncrypted()
  const secretFile = join(folder, `backup-planet-${secret?.word ?? 'password'}`)
  if (secret !== undefined && !relative(place, secretFile).startsWith('..')) {
    throw new UsageError(
      `the ${secret.word} file ${secretFile} would lie inside the repository ${place}`,
      `Choose another folder with --repository: a ${secret.word} beside the backups protects nothing.`,
    )
  }
  const job = options.job ?? agent.application
  const text = exampleConfiguration({
    job,
    application: agent.application,
    agentSettings: agent.exampleSettings,
    repositoryKind: repository.kind,
    repositorySettings: repository.exampleSettings,
    destination: pathToFileURL(place).href,
    secret: secret === undefined ? undefined : { of: secret, file: secretFile },
  })
  const configuration = parseConfiguration(text, file)

  await createFolder(folder)
  await createFolder(place)
  const created = secret !== undefined && (await createFile(secretFile, `${randomBytes(32).toString('base64url')}\n`))
  const repositories = await createFirst(configuration, created ? secretFile : undefined, context)
  // Last, so that an init that was cut can be started again as it was.
  if (!(await createFile(file, text))) throw existsAlready(file)

  const passwordFile = secret === undefined ? null : secretFile
  context.output.emit({ type: 'result', command: 'init', file, written: true, repositories, passwordFile })
  const secretText = secret === undefined ? [] : secretLines(secret.word, secretFile, created)
  context.output.print(
    [`wrote ${file}`, ...repositories.map(creationText), ...secretText, '', ...nextSteps(file, job, agent.exampleSettings)].join('\n'),
  )
}

/** @param newSecretFile what was made for it just now */
async function createFirst(
  configuration: Configuration,
  newSecretFile: string | undefined,
  { plugins, environment, mask, output, signal }: CommandContext,
): Promise<readonly RepositoryCreation[]> {
  const workspace = createWorkspace({ configuration, plugins, environment, mask, warn: (text) => output.remark(`warning: ${text}`) })
  try {
    return await createRepositories(workspace, signal, (problem) => output.remark(problemsText([problem])))
  } catch (error) {
    // A repository of somebody else is in that place: what was made for a new one would only be in the way.
    if (newSecretFile !== undefined && BackupError.is(error) && error.code === 'WRONG_CREDENTIALS') await rm(newSecretFile, { force: true })
    throw error
  }
}

function secretLines(word: string, file: string, created: boolean): readonly string[] {
  return [
    created ? `wrote ${file}: the ${word} of the repository` : `kept ${file}: the ${word} that was there already is used`,
    '',
    `Keep a copy of the ${word} somewhere else, such as a password manager: without it no backup can be read, by anybody.`,
  ]
}

function nextSteps(file: string, job: string, settings: string): readonly string[] {
  return [
    'Next:',
    `  1. write the address and user of your server into ${file}`,
    ...variablesIn(settings).map((name) => `     and set ${name} in the environment, or write \${file:/path} in its place`),
    `  2. backup-planet check ${job}`,
    `  3. backup-planet run ${job}`,
  ]
}

function alwaysEncrypted(): UsageError {
  return new UsageError(
    'a restic repository is always encrypted',
    'Leave --no-encryption out, or keep plain files with --repository-kind archive --no-encryption.',
  )
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
    hint: 'Edit it, or write another one with --config FILE; nothing was changed. Repositories that it names and that are not there yet are created by: backup-planet init, without options.',
  })
}
