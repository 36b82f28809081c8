import type { Problem, Repository, RetainedObject } from '@backup-planet/core'
import { retireBackups } from '../running/retire-backups.ts'
import { withEveryRepository } from '../workspace/every-repository.ts'
import { repositoriesOf } from '../workspace/repository-choice.ts'
import type { DaemonTask, DaemonTaskContext } from './daemon-task.ts'

/** What `backup-planet prune` does for a job: its retention in each of its repositories, and then the space that no backup uses. */
export const pruneTask: DaemonTask = {
  async run({ job }, context) {
    const { workspace, signal } = context
    const problems: Problem[] = []
    const prune = async (repository: Repository): Promise<void> => {
      const retained = [...(await retire(job, repository, context)), ...((await repository.prune?.({}, { signal }))?.retained ?? [])]
      const [first] = retained
      if (first !== undefined) problems.push(retainedProblem(first, retained.length, repository.destination))
    }
    const onProblem = (problem: Problem): number => problems.push(problem)
    await withEveryRepository(workspace, repositoriesOf(workspace.configuration, job), 'pruned', prune, { signal, onProblem })
    return { outcome: problems.length > 0 ? 'partial' : 'done', problems }
  },
}

async function retire(job: string, repository: Repository, context: DaemonTaskContext): Promise<readonly RetainedObject[]> {
  const { workspace, signal, onEvent, now } = context
  const { retention } = workspace.configuration.job(job)
  if (retention === undefined) return []
  return (await retireBackups(workspace, { job, repository, retention, now: now() }, { signal, onEvent })).retained
}

function retainedProblem({ key, reason }: RetainedObject, count: number, destination: string): Problem {
  return {
    severity: 'warning',
    code: 'ACCESS_DENIED',
    message: `${destination} refuses to remove ${count === 1 ? key : `${count} objects, such as ${key}`}: ${reason}`,
    hint: 'A later prune tries again; where it never may, look at the rights and locks of the store.',
  }
}
