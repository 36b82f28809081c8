import type { DaemonTask } from './daemon-task.ts'

/** Gives back what no backup uses, in the repository of the job. */
export const pruneTask: DaemonTask = {
  async run({ job }, { workspace, signal }) {
    await using repository = await workspace.repositoryOf(job)
    await repository.prune?.({}, { signal })
    return { outcome: 'done' }
  },
}
