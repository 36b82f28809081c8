import type { Backup, OperationOptions, Problem, Repository } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'

/** One of several repositories of a job, under the name by which plans speak of it. */
export interface NamedRepository {
  readonly name: string
  readonly repository: Repository
}

export interface ListedRepository extends NamedRepository {
  /** What it lists of one job. */
  readonly backups: readonly Backup[]
}

export interface RepositoryListings {
  /** In the order in which they were given; without those that could not be listed. */
  readonly listed: readonly ListedRepository[]
  /** One for each of those, as a warning: what they hold is not known. */
  readonly problems: readonly Problem[]
}

/**
 * What each repository holds of a job. One that cannot be listed does not hide what is in the others. Throws what was thrown first where none
 * could be listed, and `ABORTED`.
 */
export async function listJob(
  repositories: readonly NamedRepository[],
  job: string,
  options: OperationOptions = {},
): Promise<RepositoryListings> {
  const listed: ListedRepository[] = []
  const failures: { readonly name: string; readonly error: BackupError }[] = []
  for (const { name, repository } of repositories) {
    try {
      listed.push({ name, repository, backups: await listBackups(repository, job, options) })
    } catch (error) {
      if (!BackupError.is(error) || error.code === 'ABORTED') throw error
      failures.push({ name, error })
    }
  }
  const [first] = failures
  if (first !== undefined && listed.length === 0) throw first.error
  return { listed, problems: failures.map(({ name, error }) => notListed(name, error)) }
}

/** All that a repository holds of a job. */
export async function listBackups(repository: Repository, job: string, options: OperationOptions): Promise<Backup[]> {
  const backups: Backup[] = []
  for await (const backup of repository.list({ job }, options)) backups.push(backup)
  return backups
}

/** That a repository is left out of a plan. */
export function notListed(name: string, { code, message, hint }: BackupError): Problem {
  return {
    severity: 'warning',
    code,
    message: `the repository "${name}" cannot be listed, and what only it holds is not known: ${message}`,
    hint: hint ?? 'Make the repository reachable, or go on without it.',
  }
}
