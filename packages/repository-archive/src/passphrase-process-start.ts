import { fileURLToPath } from 'node:url'
import { BackupError, type CommandResult, type OperationOptions, runCommand, throwIfAborted } from '@backup-planet/core'
import { once } from './byte-streams.ts'
import { type PassphraseAnswer, type PassphraseTask, parsePassphraseAnswer, passphraseTaskText } from './passphrase-task.ts'

const what = 'turning the passphrase into a key'

/**
 * Deriving a key from a passphrase takes a second of uninterrupted computing and hundreds of MiB, which is why it has a process of its
 * own: this one never holds that memory. The program lies beside this module in the sources, and beside the bundle when built. The
 * passphrase goes through standard input, where no other user can see it.
 *
 * Throws `ABORTED`, and `OVERLOADED` where the system ends the process, as it does when memory runs out.
 */
export async function inProcess(task: PassphraseTask, options: Pick<OperationOptions, 'signal'>): Promise<PassphraseAnswer> {
  const program = import.meta.url.endsWith('.ts') ? './passphrase-process.ts' : './passphrase-process.js'
  // Collected here, since a secret that happens to be a part of base64 would be masked in the collected output.
  const output: Uint8Array[] = []
  let result: CommandResult
  try {
    result = await runCommand(
      {
        command: process.execPath,
        arguments: [fileURLToPath(new URL(program, import.meta.url))],
        // What is meant for this process, such as a debugger or a loader, is not meant for that one. Electron is Node.js only when told.
        environment: { NODE_OPTIONS: undefined, ELECTRON_RUN_AS_NODE: '1' },
        input: once(new TextEncoder().encode(passphraseTaskText(task))),
        stdout: (chunk) => void output.push(chunk),
        secrets: [task.passphrase],
        graceMs: 1000,
      },
      options,
    )
  } catch (error) {
    throwIfAborted(options.signal, what)
    if (!BackupError.is(error)) throw error
    throw new BackupError(`${what} needs another process: ${error.message}`, {
      code: error.code === 'OVERLOADED' ? 'OVERLOADED' : 'UNKNOWN',
      hint: 'Check that this user may start processes, and start again where Node.js was updated meanwhile.',
      cause: error,
    })
  }
  const answer = result.exitCode === 0 ? parsePassphraseAnswer(Buffer.concat(output).toString()) : undefined
  if (answer === undefined) throw endedWithout(result)
  return answer
}

function endedWithout({ exitCode, signal, stderr }: CommandResult): BackupError {
  const said = stderr.trim().slice(-1000)
  return new BackupError(`the process for ${what} ended with ${signal ?? exitCode} and no answer${said === '' ? '' : `: ${said}`}`, {
    code: signal === null ? 'UNKNOWN' : 'OVERLOADED',
    hint: 'It needs some 350 MiB of memory for a second with the default work factor: make sure that they are free, also within the limit of a container.',
  })
}
