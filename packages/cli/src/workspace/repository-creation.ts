import { BackupError, type Problem } from '@backup-planet/core'
import { sourceOf, sourceText } from '../configuration/password-reference.ts'
import { withEveryRepository } from './every-repository.ts'
import type { Workspace } from './workspace.ts'

/** What came of a repository. */
export interface RepositoryCreation {
  readonly name: string
  /** Printable and free of secrets. */
  readonly destination: string
  /** `here`: it was there and opens. `later`: its kind begins with the first backup. */
  readonly state: 'created' | 'here' | 'later'
}

/**
 * Creates every repository of a configuration that is not there yet. One that cannot be created does not keep the others from it and goes
 * to `onProblem`; where none can be, the first failure is thrown.
 */
export async function createRepositories(
  workspace: Workspace,
  signal: AbortSignal,
  onProblem: (problem: Problem, name: string) => void,
): Promise<readonly RepositoryCreation[]> {
  const creations: RepositoryCreation[] = []
  const { configuration } = workspace
  await withEveryRepository(
    workspace,
    Object.keys(configuration.content.repositories),
    'created',
    async (repository, name) => {
      const { destination } = repository
      if (repository.initialize === undefined) return void creations.push({ name, destination, state: 'later' })
      const source = sourceText(sourceOf(configuration.repository(name).password), configuration.file)
      const { created } = await repository.initialize({ signal }).catch((error: unknown) => Promise.reject(otherPassword(error, source)))
      creations.push({ name, destination, state: created ? 'created' : 'here' })
    },
    { signal, onProblem },
  )
  return creations
}

function otherPassword(error: unknown, source: string): unknown {
  if (!BackupError.is(error) || error.code !== 'WRONG_CREDENTIALS') return error
  return new BackupError(`there is a repository already, with another password: ${error.message}`, {
    code: error.code,
    hint: `Nothing was changed in it. Put its password into ${source} and start again, or choose another place.`,
    cause: error,
  })
}

export function creationText({ name, destination, state }: RepositoryCreation): string {
  const what = { created: 'created', here: 'was there already, and opens', later: 'begins with the first backup' }[state]
  return `repository "${name}" in ${destination}: ${what}`
}
