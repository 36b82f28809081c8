import type { OperationOptions } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { Command, CommandResult, CommandRunner } from '../process/command.ts'
import { maskSecrets } from '../process/secret-masking.ts'
import type { Hook } from './hook.ts'

const defaultTimeoutMs = 5 * 60_000
/** What is kept of each output of a hook. */
const outputLimitBytes = 16 * 1024
/** What of it is shown when the hook fails: its last lines. */
const shownCharacters = 1000

export interface HookRun {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Replaced by `***` in what the hook wrote, before it is shown. */
  readonly secrets: readonly string[]
  readonly runner: CommandRunner
}

/**
 * Runs one hook to its end. Throws `APPLICATION` when it ends with another code than 0 or by a signal, with the end of what it wrote;
 * `TIMED_OUT`, `ABORTED`, and what a program that cannot be started throws.
 *
 * @param place for the message, such as `hook 2 before the run`
 */
export async function runHook(
  hook: Hook,
  place: string,
  { environment, secrets, runner }: HookRun,
  options: Pick<OperationOptions, 'signal'>,
) {
  const [program, ...rest] = hook.command
  const command: Command = {
    command: program,
    arguments: rest,
    environment,
    secrets,
    outputLimitBytes,
    timeoutMs: hook.timeoutMs ?? defaultTimeoutMs,
  }
  let result: CommandResult
  try {
    result = await runner.run(command, options)
  } catch (error) {
    throw placed(error, place, secrets)
  }
  if (result.exitCode !== 0) throw failed(program, place, result)
}

function placed(error: unknown, place: string, secrets: readonly string[]): unknown {
  if (!BackupError.is(error) || error.code === 'ABORTED') return error
  const { code, retryable, hint } = error
  return new BackupError(`${place}: ${maskSecrets(error.message, secrets)}`, { code, retryable, hint, cause: error })
}

function failed(program: string, place: string, { exitCode, signal, stderr, stdout }: CommandResult): BackupError {
  const how = signal === null ? `ended with exit code ${exitCode}` : `was ended by ${signal}`
  const said = (stderr.trim() === '' ? stdout : stderr).trim().slice(-shownCharacters)
  return new BackupError(`${place}: ${program} ${how}${said === '' ? ' and said nothing' : `: ${said}`}`, {
    code: 'APPLICATION',
    hint: `Run ${program} by hand as the same user to see what it misses; it is run without a shell, so that pipes and variables in its arguments mean nothing.`,
  })
}
