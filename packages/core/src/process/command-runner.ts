import { type ChildProcess, spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import type { FailureCode, OperationOptions } from '../contracts/index.ts'
import { abortError, BackupError, throwIfAborted } from '../errors/backup-error.ts'
import type { Command, CommandResult, CommandRunner } from './command.ts'
import { readOutput, writeInput } from './command-streams.ts'
import { createOutputTail } from './output-tail.ts'
import { endGroup, ownGroup, signalGroup } from './process-group.ts'
import { maskSecrets } from './secret-masking.ts'

const defaultLimitBytes = 1024 * 1024
const defaultGraceMs = 5000
/** A killed process that the kernel cannot end (a dead network disk) is not waited for longer. */
const unkillableMs = 5000

/**
 * Runs a program to its end, in a process group of its own, and returns how it ended; any exit code is a result, not an
 * error. When it is aborted or times out, the whole group gets SIGTERM, and SIGKILL after the grace; the promise
 * rejects only when the program is gone. What the program started and left behind at a normal end is let alone.
 *
 * Throws `NOT_FOUND` and `ACCESS_DENIED` when the program cannot be started, `ABORTED`, `TIMED_OUT`, and what `input` or the
 * `stdout` function throws.
 */
export async function runCommand(command: Command, options: Pick<OperationOptions, 'signal'> = {}): Promise<CommandResult> {
  const { signal } = options
  throwIfAborted(signal, command.command)
  assertStartable(command)
  const child = await begin(command)
  const graceMs = command.graceMs ?? defaultGraceMs
  const limit = command.outputLimitBytes ?? defaultLimitBytes
  const stdout = createOutputTail(limit)
  const stderr = createOutputTail(limit)
  const masked = (tail: typeof stdout): string => maskSecrets(tail.text(), command.secrets ?? [], { cutAtBegin: tail.omittedBytes > 0 })

  let failure: { readonly error: unknown } | undefined
  let stoppedAt = 0
  const timers: NodeJS.Timeout[] = []
  let giveUp: () => void = () => undefined
  const unkillable = new Promise<void>((resolve) => {
    giveUp = resolve
  })
  let sayStopped: () => void = () => undefined
  const stopped = new Promise<undefined>((resolve) => {
    sayStopped = () => resolve(undefined)
  })
  const stop = (error: unknown): void => {
    if (failure !== undefined) return
    failure = { error }
    sayStopped()
    stoppedAt = performance.now()
    signalGroup(child, 'SIGTERM')
    timers.push(
      setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs),
      setTimeout(giveUp, graceMs + unkillableMs),
    )
  }
  const onAbort = (): void => {
    if (signal !== undefined) stop(abortError(signal, command.command))
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  if (command.timeoutMs !== undefined) timers.push(setTimeout(() => stop(timedOut(command, masked(stderr))), command.timeoutMs))

  const exited = new Promise<{ exitCode: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (exitCode, exitSignal) => resolve({ exitCode, signal: exitSignal }))
  })
  const gone = Promise.race([exited, unkillable])
  const receive = typeof command.stdout === 'function' ? command.stdout : (chunk: Uint8Array) => stdout.add(chunk)
  try {
    const streams = Promise.all([
      readOutput(child.stdout, gone, receive).catch((error: unknown) => {
        stop(error)
        return false
      }),
      readOutput(child.stderr, gone, (chunk) => {
        stderr.add(chunk)
        command.onStderr?.(chunk)
      }).catch((error: unknown) => {
        stop(error)
        return false
      }),
      writeInput(child.stdin, command.input, gone).catch(stop),
    ])
    const exit = await gone
    // Once the run is stopped, a receiver that is stalled is no longer waited for.
    const ended = await Promise.race([streams, stopped])
    if (failure !== undefined) {
      await endGroup(child, stoppedAt + graceMs)
      throw (failure as { readonly error: unknown }).error
    }
    return {
      ...(exit ?? { exitCode: null, signal: null }),
      stdout: masked(stdout),
      stderr: masked(stderr),
      stdoutOmittedBytes: stdout.omittedBytes,
      stdoutEnded: ended?.[0] ?? false,
    }
  } finally {
    for (const timer of timers) clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy()
  }
}

/** Runs real programs. */
export const commandRunner: CommandRunner = { run: runCommand }

async function begin(command: Command): Promise<ChildProcess> {
  const environment = { ...process.env, ...command.environment }
  try {
    const child = spawn(command.command, command.arguments, {
      cwd: command.workingDirectory,
      env: environment,
      stdio: [command.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: ownGroup,
      shell: false,
      windowsHide: true,
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    child.on('error', () => undefined)
    return child
  } catch (error) {
    throw notStarted(command, error)
  }
}

function assertStartable(command: Command): void {
  const texts = [command.command, ...command.arguments, ...Object.values(command.environment ?? {})]
  if (command.command === '' || texts.some((text) => text?.includes('\0'))) {
    throw new BackupError(`command ${JSON.stringify(command.command.replaceAll('\0', ''))} is empty or has NUL in an argument`, {
      code: 'INVALID_INPUT',
      hint: 'Nothing was run. Correct the setting or name that this command is made from.',
    })
  }
}

const startFailures: Readonly<Record<string, FailureCode>> = {
  ENOENT: 'NOT_FOUND',
  ENOTDIR: 'NOT_FOUND',
  EACCES: 'ACCESS_DENIED',
  EPERM: 'ACCESS_DENIED',
  E2BIG: 'INVALID_INPUT',
  ENOEXEC: 'UNSUPPORTED',
  EAGAIN: 'OVERLOADED',
  ENOMEM: 'OVERLOADED',
  EMFILE: 'OVERLOADED',
}

function notStarted(command: Command, error: unknown): BackupError {
  const name = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN'
  const { workingDirectory } = command
  const code = startFailures[name] ?? 'UNKNOWN'
  if (
    code === 'NOT_FOUND' &&
    workingDirectory !== undefined &&
    statSync(workingDirectory, { throwIfNoEntry: false })?.isDirectory() !== true
  ) {
    return new BackupError(`${command.command} cannot be started in ${workingDirectory}: there is no such directory`, {
      code,
      hint: `Create the directory ${workingDirectory} and try again.`,
    })
  }
  const hints: Partial<Record<FailureCode, string>> = {
    NOT_FOUND: `Install the program ${command.command}, or give its full path in the settings.`,
    ACCESS_DENIED: `Let the user that runs backups execute ${command.command}.`,
    OVERLOADED: 'The system has no processes, files or memory left for another program: try again later.',
  }
  return new BackupError(`${command.command} cannot be started: ${name}`, {
    code,
    hint: hints[code] ?? `Check that ${command.command} can be run by hand by the same user.`,
  })
}

function timedOut(command: Command, stderr: string): BackupError {
  const said = stderr.trim().slice(-1000)
  return new BackupError(`${command.command} did not end within ${command.timeoutMs} ms${said === '' ? '' : `: ${said}`}`, {
    code: 'TIMED_OUT',
    hint: `See what keeps ${command.command} waiting (a lock, a prompt, a dead network disk), or allow it more time.`,
  })
}
