import { type ListedRepository, listJob, type OperationOptions, type Problem, type Progress } from '@backup-planet/core'
import type { Workspace } from '../workspace/workspace.ts'
import { openJobRepositories } from './job-repositories.ts'

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
  await using opened = await openJobRepositories(workspace, job, { repository })
  const unreadable: Problem[] = []
  const onProgress = (progress: Progress): void => {
    if (progress.type === 'problem') unreadable.push(progress.problem)
    options.onProgress?.(progress)
  }
  const { listed, problems } = await listJob(opened.repositories, job, { ...options, onProgress })
  const { unopened } = opened
  const kept = opened.move()
  return { job, listed, unlisted: [...unopened, ...problems], unreadable, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
