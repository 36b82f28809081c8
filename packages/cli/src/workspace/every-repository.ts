import { BackupError, type Problem, type Repository } from '@backup-planet/core'
import { failureFacts } from '../output/failure-text.ts'
import type { Workspace } from './workspace.ts'

/**
 * Does the same with each of the repositories, and hands what keeps one of them from it to `onProblem`: one disk that is not mounted does
 * not hide what is on the others. Throws where none could be asked, when the command is aborted, and for mistakes in the configuration.
 *
 * @param what for the message, such as `listed`
 */
export async function withEveryRepository(
  workspace: Workspace,
  names: readonly string[],
  what: string,
  work: (repository: Repository, name: string) => Promise<void>,
  { signal, onProblem }: { readonly signal: AbortSignal; readonly onProblem: (problem: Problem, name: string) => void },
): Promise<void> {
  const failures: { readonly name: string; readonly error: BackupError }[] = []
  for (const name of names) {
    try {
      await using repository = await workspace.repository(name)
      await work(repository, name)
    } catch (error) {
      if (signal.aborted || !BackupError.is(error) || error.code === 'INVALID_SETTINGS') throw error
      failures.push({ name, error })
    }
  }
  const [first] = failures
  if (first !== undefined && failures.length === names.length) throw first.error
  for (const { name, error } of failures) {
    const { message, hint } = failureFacts(error)
    onProblem({ severity: 'error', code: error.code, message: `the repository "${name}" cannot be ${what}: ${message}`, hint }, name)
  }
}
