import { type Command, type CommandRunner, commandRunner, type OperationOptions } from '@backup-planet/core'
import { saysCompleted, toolFailure } from './tool-failures.ts'

export interface ToolCall extends Pick<Command, 'command' | 'arguments' | 'stdout' | 'input' | 'onStderr' | 'secrets'> {
  /** For messages, such as `copying the server`. */
  readonly during: string
  /** `completed` wants `completed OK!` as the last line besides exit code 0, as both backup tools say it; the stream tools say nothing. */
  readonly success: 'completed' | 'exit code'
}

/** Of the log of the tool, which names every file that it copies. */
const keptLogBytes = 262_144

/**
 * Runs one of the tools in a process group of its own; aborting ends the group, and with it the session of the tool and every lock of it. Throws what the tool failed with,
 * by code, `ABORTED`, and what `input` and `stdout` throw.
 */
export async function runTool(
  call: ToolCall,
  options: Pick<OperationOptions, 'signal'> = {},
  runner: CommandRunner = commandRunner,
): Promise<void> {
  const { during, success, ...command } = call
  const result = await runner.run({ ...command, environment: toolEnvironment, outputLimitBytes: keptLogBytes }, options)
  if (result.exitCode === 0 && result.stdoutEnded && (success === 'exit code' || saysCompleted(result.stderr))) return
  throw toolFailure(call.command, during, result)
}

/** Messages in English, and nothing that would say how to connect. */
const toolEnvironment = { LC_ALL: 'C', MYSQL_PWD: undefined, MYSQL_HOST: undefined, MYSQL_TCP_PORT: undefined, MYSQL_UNIX_PORT: undefined }
