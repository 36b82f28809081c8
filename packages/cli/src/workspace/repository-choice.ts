import { BackupError } from '@backup-planet/core'
import { Option } from 'commander'
import type { Configuration } from '../configuration/configuration-file.ts'
import { UsageError } from '../usage-error.ts'

export interface RepositoryWish {
  readonly job?: string | undefined
  readonly repository?: string | undefined
}

export function repositoryOption(): Option {
  return new Option('--repository <name>', 'a name under "repositories"; may be left out where there is only one')
}

/** The one repository that is meant: by its name, by a job, or the only one there is. Throws a `UsageError`. */
export function chosenRepository(configuration: Configuration, { job, repository }: RepositoryWish): string {
  if (job !== undefined && repository !== undefined) {
    throw new UsageError('a job and --repository exclude each other', 'Give only one of them.')
  }
  if (job !== undefined) return configuration.job(job).repository
  const names = Object.keys(configuration.content.repositories)
  if (repository !== undefined || names.length === 0) {
    configuration.repository(repository ?? '')
    return repository ?? ''
  }
  const [only = ''] = names
  if (names.length === 1) return only
  throw new UsageError('there are several repositories, and none is named', `Add --repository with one of: ${names.join(', ')}.`)
}

/** Where backups of a job are, its mirrors with them; every repository there is where no job is named. */
export function repositoriesOf(configuration: Configuration, job: string | undefined): readonly string[] {
  if (job === undefined) return Object.keys(configuration.content.repositories)
  const { repository, mirrors = [] } = configuration.job(job)
  return [repository, ...mirrors]
}

export function fromRepositoryOption(): Option {
  return new Option('--repository <name>', 'look only at this one, such as a mirror, and not at all repositories of the job')
}

/** @param what as in "cannot be pruned" */
export function cannot(configuration: Configuration, name: string, what: string): BackupError {
  const { kind } = configuration.repository(name)
  return new BackupError(`the repository "${name}" is of kind ${kind}, which cannot ${what}`, {
    code: 'UNSUPPORTED',
    hint: 'One of kind restic can. Backups are brought into one with: backup-planet copy --to NAME.',
  })
}
