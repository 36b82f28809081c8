import { BackupError } from '@backup-planet/core'
import { printable } from './output.ts'

/** What is told about a failure: always a code, a message and something to do. */
export interface FailureFacts {
  readonly code: string
  readonly message: string
  readonly hint: string
}

export function failureFacts(error: unknown): FailureFacts {
  if (BackupError.is(error)) return { code: error.code, message: error.message, hint: error.hint ?? hintFor(error.code) }
  return {
    code: 'UNKNOWN',
    message: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
    hint: 'This looks like a mistake in backup-planet or a plugin. Run again with BACKUP_PLANET_DEBUG=1 and report the whole output.',
  }
}

/** Three lines: code, message, hint; with `stack` everything that is known about where it came from. */
export function failureText({ code, message, hint }: FailureFacts, stack?: string): string {
  const lines = [`failed: ${code}`, indented(message), indented(`hint: ${hint}`)]
  return [...lines, ...(stack === undefined ? [] : [stack])].join('\n')
}

export function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by: ${stackOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${printable(line)}`)
    .join('\n')
}

function hintFor(code: string): string {
  return hints[code] ?? 'Run again with BACKUP_PLANET_DEBUG=1 to see where this comes from.'
}

/** Where an error brings no hint of its own. */
const hints: Readonly<Record<string, string>> = {
  ABORTED: 'Start the same command again whenever you like: a backup begins anew, and a restore goes on where it stopped.',
  ACCESS_DENIED: 'Run "backup-planet check" to see which right is missing.',
  ALREADY_EXISTS: 'Use another name, or say --overwrite where replacing is wanted.',
  APPLICATION: 'Look into the log of the server for the same moment, then try again.',
  CONFLICT: 'Wait until the other run has ended, then try again.',
  CORRUPTED: 'Run "backup-planet verify --read-data" to see which backups are whole.',
  INCONSISTENT: 'Try again when nobody changes the structure of the database.',
  INVALID_INPUT: 'Correct the command and try again; --help shows what it takes.',
  INVALID_SETTINGS: 'Correct the configuration and try again.',
  NOT_FOUND: 'Run "backup-planet list" or "backup-planet discover" to see what there is.',
  OUT_OF_SPACE: 'Make room on the disk named above, or set staging.budget to less.',
  OVERLOADED: 'Try again later, or set limits.upload in the configuration.',
  TIMED_OUT: 'Try again; when it stays like this, look at the load of the server.',
  UNREACHABLE: 'Check that the server runs and that its address and port are right, then try again.',
  UNSUPPORTED: 'Run "backup-planet check" to see what this server can do.',
  WRONG_CREDENTIALS: 'Correct the user name and password in the configuration.',
}
