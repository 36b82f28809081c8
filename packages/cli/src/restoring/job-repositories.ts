import { BackupError, type NamedRepository, notListed, type Problem } from '@backup-planet/core'
import { repositoriesOf } from '../workspace/repository-choice.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** The repositories of a job. Disposing closes them. */
export interface JobRepositories extends AsyncDisposable {
  readonly repositories: readonly NamedRepository[]
  /** Why others could not be opened. */
  readonly unopened: readonly Problem[]
  /** Lets somebody else close them. */
  move(): AsyncDisposableStack
}

/** All of the job, or the one that is named. One whose secrets are not here does not hide the others; throws where none opens. */
export async function openJobRepositories(
  workspace: Workspace,
  job: string,
  { repository }: { readonly repository?: string | undefined } = {},
): Promise<JobRepositories> {
  workspace.configuration.job(job)
  const names = repository === undefined ? repositoriesOf(workspace.configuration, job) : [repository]
  await using opened = new AsyncDisposableStack()
  const repositories: NamedRepository[] = []
  const failures: { readonly name: string; readonly error: BackupError }[] = []
  for (const name of names) {
    try {
      repositories.push({ name, repository: opened.use(await workspace.repository(name)) })
    } catch (error) {
      if (!BackupError.is(error) || error.code === 'ABORTED') throw error
      failures.push({ name, error })
    }
  }
  const [first] = failures
  if (first !== undefined && repositories.length === 0) throw first.error
  const kept = opened.move()
  return {
    repositories,
    unopened: failures.map(({ name, error }) => notListed(name, error)),
    move: () => kept.move(),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
