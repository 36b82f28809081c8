import { BackupError, type Command, type CommandResult, type CommandRunner, type OperationOptions } from '@backup-planet/core'
import type { MysqlConnectionSettings } from '../mysql-agent-settings.ts'
import { mysqlError } from '../mysql-errors.ts'
import { type OptionFile, writeOptionFile } from '../programs/option-file.ts'
import { ToolDirectory } from '../programs/tool-directory.ts'
import { ByteQueue } from './byte-queue.ts'
import type { ReplayAction } from './log-replay-actions.ts'
import { BinlogWriter } from './log-replay-bytes.ts'
import { refuseForClient } from './log-replay-client-text.ts'
import type { ReplaySource } from './log-replay-sources.ts'
import type { ReplayTools } from './log-replay-tools.ts'

export interface PipeOptions extends OperationOptions {
  readonly settings: MysqlConnectionSettings
  readonly tools: ReplayTools
  readonly runner: CommandRunner
  /** Statements with which the session begins. */
  readonly setup: readonly string[]
}

/** Of what a program says when it fails. */
const errorBytes = 16 * 1024
const graceMs = 10_000
/** As much of a unit is looked at before the first of it is written. */
const heldBytes = 1024 * 1024

/**
 * Applies logs in one session of the server's own client: one program after the other prints them as statements for it. The client stops at the first
 * statement that fails. Whatever is wrong with a log ends the input before it, between two transactions, and is thrown once the client has done what it had.
 */
export async function replayThroughTools(sources: AsyncIterable<ReplaySource>, options: PipeOptions): Promise<void> {
  const { settings, tools, runner, signal } = options
  await using directory = await ToolDirectory.create()
  const login = await clientOptions(directory, settings, tools.flavour)
  let failure: { readonly error: unknown } | undefined
  const stop = new AbortController()
  async function* input(): AsyncGenerator<Uint8Array, void, void> {
    yield Buffer.from(`${[sayConnected, ...options.setup].join(';\n')};\n`)
    try {
      for await (const source of sources) yield* printed(source, { ...options, signal: anySignal(signal, stop.signal) })
    } catch (error) {
      failure = { error }
    }
  }
  try {
    const result = await runner.run(
      {
        command: tools.client,
        arguments: [login.argument, ...clientArguments],
        environment: environment(),
        input: input(),
        // A client that answers has connected, and never connects again.
        stdout: () => login.forget(),
        secrets: login.secrets,
        outputLimitBytes: errorBytes,
        graceMs,
      },
      { signal },
    )
    if (result.exitCode !== 0) throw clientError(tools.client, result)
  } finally {
    stop.abort(new BackupError('the client has ended', { code: 'ABORTED' }))
  }
  if (failure !== undefined) throw failure.error
}

/** The client prints nothing else, and needs no option file from then on. */
const sayConnected = 'SELECT 1'

/** How the client of the server logs in. */
export function clientOptions(
  directory: ToolDirectory,
  settings: MysqlConnectionSettings,
  flavour: ReplayTools['flavour'],
): Promise<OptionFile> {
  return writeOptionFile(directory, settings, {
    flavour,
    more: { 'connect-timeout': String(Math.ceil(settings.connectTimeoutSeconds)) },
    hint: 'Restore again with the option replay set to statements, which needs no tools.',
  })
}

const clientArguments: readonly string[] = [
  '--batch',
  // What it answers is seen at once.
  '--unbuffered',
  '--skip-column-names',
  '--binary-mode',
  // Another session would not have what the first one had.
  '--skip-reconnect',
  '--max-allowed-packet=1073741824',
  // A log must not make the client send files of this machine.
  '--local-infile=0',
]

/** Nothing that a user has set for these programs counts, and times are understood in UTC. */
function environment(): NonNullable<Command['environment']> {
  return {
    TZ: 'UTC',
    LC_ALL: 'C',
    MYSQL_PWD: undefined,
    MYSQL_HOST: undefined,
    MYSQL_TCP_PORT: undefined,
    MYSQL_UNIX_PORT: undefined,
    MYSQL_TEST_LOGIN_FILE: '/nonexistent',
    LIBMYSQL_ENABLE_CLEARTEXT_PLUGIN: undefined,
  }
}

/** The statements of one log, as the program prints them that reads binlogs. */
async function* printed(source: ReplaySource, options: PipeOptions): AsyncGenerator<Uint8Array, void, void> {
  const { tools, runner, signal } = options
  const queue = new ByteQueue()
  const stop = new AbortController()
  let failure: { readonly error: unknown } | undefined
  async function* binlog(): AsyncGenerator<Uint8Array, void, void> {
    const writer = new BinlogWriter()
    try {
      for await (const unit of smallUnits(source)) for (const action of unit) yield* writer.bytes(action)
    } catch (error) {
      failure = { error }
    }
  }
  const run = runner
    .run(
      {
        command: tools.binlog,
        arguments: ['--no-defaults', '-'],
        environment: environment(),
        input: binlog(),
        stdout: (chunk) => queue.push(chunk),
        outputLimitBytes: errorBytes,
        graceMs,
      },
      { signal: anySignal(signal, stop.signal) },
    )
    .finally(() => queue.end())
  run.catch(() => undefined)
  try {
    yield* queue.take()
    const result = await run
    if (failure !== undefined) throw failure.error
    if (result.exitCode !== 0 || !result.stdoutEnded) throw printerError(tools.binlog, source.name, result)
  } finally {
    queue.drop()
    stop.abort(new BackupError('the client has ended', { code: 'ABORTED' }))
    await run.catch(() => undefined)
  }
}

/** What is refused is refused before anything of its unit is written, unless the unit is large. */
async function* smallUnits(source: ReplaySource): AsyncGenerator<readonly ReplayAction[], void, void> {
  let held: ReplayAction[] = []
  let bytes = 0
  for await (const action of source.actions) {
    refuseForClient(action, source.name)
    held.push(action)
    if (action.type === 'event' || action.type === 'between') bytes += action.event.bytes.length
    if (action.type !== 'boundary' && bytes < heldBytes) continue
    yield held
    held = []
    bytes = 0
  }
  yield held
}

function anySignal(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined))
}

function printerError(command: string, name: string, { stderr, exitCode, signal }: CommandResult): BackupError {
  const said = stderr.trim().split('\n').at(-1)?.slice(-500) ?? ''
  return new BackupError(`${command} could not read ${name}: ${said === '' ? `it ended with ${exitCode ?? signal}` : said}`, {
    code: 'APPLICATION',
    hint: 'Install the tools of the version that wrote the log, or restore again with the option replay set to statements: the replay goes on where it has ended.',
  })
}

/** `ERROR 1062 (23000) at line 12: Duplicate entry …`, as both clients say it. */
function clientError(command: string, { stderr, exitCode, signal }: CommandResult): Error {
  const match = /^ERROR (\d+) \([0-9A-Z]{5}\)(?: at line \d+)?: (.*)$/m.exec(stderr)
  if (match !== null) {
    const errno = Number(match[1])
    // CR_ errors are of the client itself, which knows nothing but the connection.
    const code = errno >= 2000 && errno < 3000 ? { code: 'PROTOCOL_CONNECTION_LOST' } : {}
    return mysqlError(Object.assign(new Error(match[2]), { errno, ...code }), 'replaying the log')
  }
  const said = stderr.trim().split('\n').at(-1)?.slice(-500) ?? ''
  return new BackupError(`${command} ended with ${exitCode ?? signal}${said === '' ? '' : `: ${said}`}`, {
    code: 'APPLICATION',
    hint: 'Look at the error log of the server, then execute the same plan again.',
  })
}
