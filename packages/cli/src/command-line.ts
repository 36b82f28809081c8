import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import { abortError, type Plugin } from '@backup-planet/core'
import { Command, CommanderError } from 'commander'
import type { CommandContext, InputStream } from './command-context.ts'
import { addCheckCommand } from './commands/check-command.ts'
import { examples } from './commands/command-options.ts'
import { addCompletionCommand } from './commands/completion-command.ts'
import { addCopyCommand } from './commands/copy-command.ts'
import { addDaemonCommand } from './commands/daemon-command.ts'
import { addDiscoverCommand } from './commands/discover-command.ts'
import { addDrillCommand } from './commands/drill-command.ts'
import { addEvidenceCommand } from './commands/evidence-command.ts'
import { addFilesCommand } from './commands/files-command.ts'
import { addFollowCommand } from './commands/follow-command.ts'
import { addInitCommand } from './commands/init-command.ts'
import { addKeyCommand } from './commands/key-command.ts'
import { addListCommand } from './commands/list-command.ts'
import { addNotifyCommand } from './commands/notify-command.ts'
import { addPruneCommand } from './commands/prune-command.ts'
import { addRebuildIndexCommand } from './commands/rebuild-index-command.ts'
import { addReportCommand } from './commands/report-command.ts'
import { addRestoreCommand } from './commands/restore-command.ts'
import { addRunCommand } from './commands/run-command.ts'
import { addStatsCommand } from './commands/stats-command.ts'
import { addStatusCommand } from './commands/status-command.ts'
import { addUnlockCommand } from './commands/unlock-command.ts'
import { addVerifyCommand } from './commands/verify-command.ts'
import { addVersionCommand, ownVersion } from './commands/version-command.ts'
import { addWindowsCommand } from './commands/windows-command.ts'
import { loadConfiguration } from './configuration/configuration-file.ts'
import { createSecretMask } from './configuration/secret-mask.ts'
import { type ExitCode, exitCodeOf, exitCodes } from './exit-codes.ts'
import { failureFacts, failureText, stackOf } from './output/failure-text.ts'
import { createOutput, type Output, type OutputStream } from './output/output.ts'
import { createToldProblems } from './output/told-problems.ts'
import { createProgressDisplay } from './progress/progress-display.ts'
import { UsageError } from './usage-error.ts'
import { createWorkspace, type Workspace } from './workspace/workspace.ts'

export interface CommandLineSettings {
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly stdin: InputStream
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Aborting ends the command gracefully with exit code 130, after the message of its reason was told. */
  readonly signal?: AbortSignal | undefined
  /** Registers who reads the configuration anew when the operator asks for that; returns what ends it. */
  readonly onReload?: CommandContext['onReload']
  /** Offered besides the plugins that are installed. */
  readonly plugins?: readonly Plugin[]
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/**
 * Runs one command line, without the name of the program in front, and resolves with the exit code. Never rejects for
 * anything that a command can meet: failures are printed as code, message and hint.
 */
export async function runCommandLine(argv: readonly string[], settings: CommandLineSettings): Promise<ExitCode> {
  const mask = createSecretMask()
  const output = createOutput({ ...settings, mask, json: argv.includes('--json') })
  const signal = settings.signal ?? new AbortController().signal
  let code: ExitCode = exitCodes.done
  const program = createProgram(output)
  let workspace: Promise<Workspace> | undefined

  const context: CommandContext = {
    output,
    mask,
    signal,
    environment: settings.environment,
    stdin: settings.stdin,
    stderr: settings.stderr,
    plugins: settings.plugins ?? [],
    now: settings.now ?? Date.now,
    configurationFile: () => findConfiguration(program.opts<{ config?: string }>().config, settings.environment),
    workspace: () => (workspace ??= openWorkspace(context)),
    newWorkspace: () => openWorkspace(context),
    onReload: settings.onReload ?? (() => () => undefined),
    progress: () => createProgressDisplay({ output, stream: settings.stderr, environment: settings.environment }),
    untold: createToldProblems(),
    end: (ended) => {
      code = ended
    },
  }
  for (const add of commands) add(program, context)

  const onAbort = () => output.remark(signal.reason instanceof Error ? signal.reason.message : 'stopping and cleaning up')
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    if (signal.aborted) throw abortError(signal, 'the command')
    await program.parseAsync(argv, { from: 'user' })
    return code
  } catch (error) {
    return tellFailure(error, context)
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

const commands = [
  addInitCommand,
  addDiscoverCommand,
  addCheckCommand,
  addRunCommand,
  addFollowCommand,
  addDaemonCommand,
  addStatusCommand,
  addListCommand,
  addWindowsCommand,
  addRestoreCommand,
  addFilesCommand,
  addVerifyCommand,
  addDrillCommand,
  addEvidenceCommand,
  addCopyCommand,
  addPruneCommand,
  addStatsCommand,
  addReportCommand,
  addKeyCommand,
  addUnlockCommand,
  addRebuildIndexCommand,
  addNotifyCommand,
  addCompletionCommand,
  addVersionCommand,
]

function createProgram(output: Output): Command {
  return new Command('backup-planet')
    .description('Backs up applications so that they can be brought back: consistently, verified, in published formats.')
    .option('--config <file>', 'configuration file; ./backup-planet.yaml, then /etc/backup-planet/backup-planet.yaml when left out')
    .option('--json', 'JSON lines on standard output, text for people on standard error')
    .version(ownVersion(), '-V, --version', 'print the version')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => output.print(text.trimEnd()),
      writeErr: (text) => output.remark(text.trimEnd()),
      // Usage errors are told like all others, when they are thrown.
      outputError: () => undefined,
    })
    .addHelpText(
      'after',
      `${examples('backup-planet init --agent mysql', 'backup-planet check', 'backup-planet run shop', 'backup-planet restore shop --to scratch --plan')}

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 partial, 130 aborted`,
    )
    .exitOverride()
    .showSuggestionAfterError(true)
}

function tellFailure(error: unknown, context: CommandContext): ExitCode {
  if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.done
  // A command that needs another one behind it has shown its help.
  if (error instanceof CommanderError && error.code === 'commander.help') return exitCodes.usage
  const told = asAborted(error instanceof CommanderError ? usageErrorOf(error) : error, context.signal)
  const facts = failureFacts(told)
  context.output.emit({ type: 'failure', ...facts })
  context.output.remark(failureText(facts, context.environment.BACKUP_PLANET_DEBUG === '1' ? stackOf(told) : undefined))
  return exitCodeOf(told)
}

/** Whatever breaks because the operator said stop is told as that. */
function asAborted(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted && exitCodeOf(error) !== exitCodes.aborted ? abortError(signal, 'the command') : error
}

function usageErrorOf({ message }: CommanderError): UsageError {
  const [first = '', ...rest] = message.replace(/^error: /, '').split('\n')
  const suggestion = rest.join(' ').replace(/^\((.*)\)$/, '$1')
  return new UsageError(
    first,
    `${suggestion === '' ? '' : `${suggestion} `}Run "backup-planet --help", or a command with --help, to see what there is.`,
  )
}

async function openWorkspace(context: CommandContext): Promise<Workspace> {
  const configuration = await loadConfiguration(await context.configurationFile())
  for (const warning of configuration.warnings) context.output.remark(`warning: ${warning}`)
  if (configuration.exposure !== undefined)
    context.output.remark(`warning: ${configuration.exposure.message}\n  hint: ${configuration.exposure.hint}`)
  const warned = new Set<string>()
  return createWorkspace({
    configuration,
    plugins: context.plugins,
    environment: context.environment,
    mask: context.mask,
    warn(text) {
      if (!warned.has(text)) context.output.remark(`warning: ${text}`)
      warned.add(text)
    },
  })
}

async function findConfiguration(named: string | undefined, environment: CommandContext['environment']): Promise<string> {
  const chosen = named ?? environment.BACKUP_PLANET_CONFIG
  if (chosen !== undefined && chosen !== '') return resolve(chosen)
  const [first = '', ...others] = ['backup-planet.yaml', '/etc/backup-planet/backup-planet.yaml'].map((path) => resolve(path))
  for (const path of [first, ...others]) {
    const found = await access(path).then(
      () => true,
      () => false,
    )
    if (found) return path
  }
  return first
}
