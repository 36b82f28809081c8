import { throwIfAborted } from '../errors/backup-error.ts'
import type { Command, CommandResult, CommandRunner } from '../process/command.ts'
import { maskSecrets } from '../process/secret-masking.ts'
import { stall } from './faults.ts'

/** One expected command and what it does. */
export interface ScriptedCommand {
  readonly command: string
  /** Exactly these, or whatever the function accepts; any when left out. */
  readonly arguments?: readonly string[] | ((given: readonly string[]) => boolean)
  readonly stdout?: string | readonly Uint8Array[]
  readonly stderr?: string
  /** 0 when left out. */
  readonly exitCode?: number
  /** Thrown instead of a result, such as the `NOT_FOUND` of a missing program. */
  readonly error?: unknown
  /** Waits for ever, until it is aborted. */
  readonly stalls?: boolean
}

export interface CommandCall {
  readonly command: Command
  /** All that was given to standard input. */
  readonly input: Buffer
}

export interface ScriptedCommandRunner extends CommandRunner {
  readonly calls: readonly CommandCall[]
  /** Throws when expected commands were not run. */
  assertAllRun(): void
}

/** Plays recorded output: expects exactly these commands in this order, and fails on any other. */
export function scriptedCommandRunner(script: readonly ScriptedCommand[]): ScriptedCommandRunner {
  const rest = [...script]
  const calls: CommandCall[] = []
  return {
    calls,
    assertAllRun() {
      if (rest.length > 0) throw new TypeError(`not run: ${rest.map((expected) => expected.command).join(', ')}`)
    },
    async run(command, { signal } = {}): Promise<CommandResult> {
      throwIfAborted(signal, command.command)
      const expected = rest.shift()
      const given = [command.command, ...command.arguments].join(' ')
      if (expected === undefined) throw new TypeError(`unexpected command after the end of the script: ${given}`)
      if (expected.command !== command.command || !accepts(expected.arguments, command.arguments)) {
        throw new TypeError(`expected command ${expected.command} ${String(expected.arguments ?? '')}, was given ${given}`)
      }
      const input: Uint8Array[] = []
      if (command.input !== undefined) for await (const chunk of command.input) input.push(Uint8Array.from(chunk))
      calls.push({ command, input: Buffer.concat(input) })
      if (expected.stalls === true) await stall(command.command, signal)
      if (expected.error !== undefined) throw expected.error
      const chunks = typeof expected.stdout === 'string' ? [Buffer.from(expected.stdout)] : (expected.stdout ?? [])
      if (typeof command.stdout === 'function') for (const chunk of chunks) await command.stdout(chunk)
      throwIfAborted(signal, command.command)
      const collected = typeof command.stdout === 'function' ? '' : Buffer.concat(chunks).toString('utf8')
      return {
        exitCode: expected.exitCode ?? 0,
        signal: null,
        stdout: maskSecrets(collected, command.secrets ?? []),
        stderr: maskSecrets(expected.stderr ?? '', command.secrets ?? []),
        stdoutOmittedBytes: 0,
        stdoutEnded: true,
      }
    },
  }
}

function accepts(expected: ScriptedCommand['arguments'], given: readonly string[]): boolean {
  if (expected === undefined) return true
  if (typeof expected === 'function') return expected(given)
  return expected.length === given.length && expected.every((argument, index) => argument === given[index])
}
