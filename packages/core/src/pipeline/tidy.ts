import type { Problem } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { RunReporter } from '../events/run-reporter.ts'

/** Does what must follow a success or a failure without ever changing it into another: what goes wrong here is only told, and returned. */
export async function tidy(action: () => PromiseLike<void>, what: string, reporter: RunReporter): Promise<Problem | undefined> {
  try {
    await action()
    return undefined
  } catch (error) {
    const problem = problemOf(error, what)
    reporter.problem(problem)
    return problem
  }
}

/** A failure that costs nobody a backup or a restore; `what` says what could not be done. */
export function problemOf(error: unknown, what: string): Problem {
  const known = BackupError.is(error) ? error : undefined
  return {
    severity: 'warning',
    code: known?.code ?? 'UNKNOWN',
    message: `${what}: ${error instanceof Error ? error.message : String(error)}`,
    hint: known?.hint ?? 'The next run puts it right; look at the cause if it happens again.',
  }
}
