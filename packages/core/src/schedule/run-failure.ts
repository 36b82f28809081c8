import type { Problem } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'

/** A failure as it is told. */
export function problemOf(error: unknown): Problem {
  if (!BackupError.is(error)) {
    const hint = 'This is a mistake in the program or a plugin; report it with the log around it.'
    return { severity: 'error', code: 'UNKNOWN', message: String(error), hint }
  }
  return { severity: 'error', code: error.code, message: error.message, hint: error.hint ?? 'See what the log says before it.' }
}
