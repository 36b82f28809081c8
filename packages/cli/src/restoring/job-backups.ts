import {
  BackupError,
  type ListedRepository,
  listJob,
  type NamedRepository,
  notListed,
  type OperationOptions,
  type Problem,
  type Progress,
} from '@backup-planet/core'
import { repositoriesOf } from '../workspace/repository-choice.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** What the repositories of a job hold. Disposing closes them. */
export interface JobBackups extends AsyncDisposable {
  readonly job: string
  readonly listed: readonly ListedRepository[]
  /** Why others could not be listed. */
  readonly unlisted: readonly Problem[]
  /** Of records that cannot be read. */
  readonly unreadable: readonly Problem[]
}

/** Of all repositories of the job, or of the one that is named. One that cannot be reached, or whose secrets are not here, does not hide what is in the others. */
export async function openJobBackups(
  workspace: Workspace,
  job: string,
  { repository }: { readonly repository?: string | undefined },
  options: OperationOptions,
): Promise<JobBackups> {
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
  const unreadable: Problem[] = []
  const onProgress = (progress: Progress): void => {
    if (progress.type === 'problem') unreadable.push(progress.problem)
    options.onProgress?.(progress)
  }
  const { listed, problems } = await listJob(repositories, job, { ...options, onProgress })
  const kept = opened.move()
  return {
    job,
    listed,
    unlisted: [...failures.map(({ name, error }) => notListed(name, error)), ...problems],
    unreadable,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
