import type { OperationOptions } from '../contracts/index.ts'

/** A program to run, never through a shell. */
export interface Command {
  /** Name on PATH, or a path. */
  readonly command: string
  /** Never holds a secret: every user of the machine can read the arguments of every process. */
  readonly arguments: readonly string[]
  /** Put over the environment of this process; `undefined` takes a variable away. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly workingDirectory?: string
  /** Given to standard input; read no faster than the program reads. Standard input is empty when left out. */
  readonly input?: AsyncIterable<Uint8Array>
  /** `collect` (when left out) keeps the end of the output as text; a function gets every byte, and the program waits while it works. */
  readonly stdout?: 'collect' | ((chunk: Uint8Array) => void | Promise<void>)
  /** Sees every byte of standard error as it comes, for programs that tell there how far they are. It is collected all the same; what this throws stops the program. */
  readonly onStderr?: (chunk: Uint8Array) => void
  /** Masked in everything that is returned or thrown as text. */
  readonly secrets?: readonly string[]
  /** After this the program is stopped, and the run fails with `TIMED_OUT`. */
  readonly timeoutMs?: number
  /** How much of the end of each collected output is kept; 1 MiB when left out. */
  readonly outputLimitBytes?: number
  /** How long a program that is stopped may clean up before it is killed; 5000 when left out. */
  readonly graceMs?: number
}

export interface CommandResult {
  /** `null` when a signal ended the program. */
  readonly exitCode: number | null
  readonly signal: string | null
  /** Empty where a function received it. */
  readonly stdout: string
  readonly stderr: string
  /** Bytes dropped from the beginning of `stdout`, because it was longer than the limit. */
  readonly stdoutOmittedBytes: number
  /**
   * Whether standard output was read to its end. `false` when the program has ended and something it started still holds
   * the output open: then nobody knows whether more would have come.
   */
  readonly stdoutEnded: boolean
}

/** The seam between agents and the programs of their applications. */
export interface CommandRunner {
  run(command: Command, options?: Pick<OperationOptions, 'signal'>): Promise<CommandResult>
}
