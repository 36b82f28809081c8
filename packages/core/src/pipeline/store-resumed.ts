import type { Agent, Backup, OperationOptions, Repository, Staging } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { RunReporter } from '../events/run-reporter.ts'

/**
 * Sends the sealed stages that earlier runs of the job could not send, oldest first. One that the repository has
 * already (the process died between commit and removal) is only removed; one that is damaged is given up with a problem.
 * They are not confirmed: their captures are gone, and the next confirmed capture truncates for them too.
 */
export async function storeResumed(
  parts: { readonly agent: Agent; readonly repository: Repository; readonly staging: Staging; readonly job: string },
  reporter: RunReporter,
  options: OperationOptions,
): Promise<Backup[]> {
  const stored: Backup[] = []
  for await (const stage of parts.staging.resumable(parts.job, options)) {
    await using _ = stage
    const { id } = stage.run
    const committed = await findBackup(parts.repository, { job: parts.job, id }, options)
    if (committed === undefined) {
      try {
        const backup = await parts.repository.store({ run: stage.run, agent: { version: parts.agent.version } }, stage.contents, options)
        stored.push(backup)
        reporter.emit({ type: 'stored', id: backup.id, status: backup.status, resumed: true })
      } catch (error) {
        if (!BackupError.is(error) || error.code !== 'CORRUPTED') throw notSent(error, id)
        reporter.problem({
          severity: 'warning',
          code: 'CORRUPTED',
          message: `the staged run ${id} that an earlier run could not send is damaged and given up: ${error.message}`,
          hint: 'Nothing is to be done: this run captures everything since the last committed backup. Check the disk if it happens again.',
        })
      }
    }
    await stage.remove()
  }
  return stored
}

export async function findBackup(
  repository: Repository,
  filter: { readonly job: string; readonly id: string },
  options: OperationOptions,
): Promise<Backup | undefined> {
  for await (const backup of repository.list(filter, options)) if (backup.id === filter.id) return backup
  return undefined
}

function notSent(error: unknown, id: string): unknown {
  if (!BackupError.is(error) || error.code === 'ABORTED') return error
  return new BackupError(`run ${id}, staged earlier, could not be sent: ${error.message}`, {
    code: error.code,
    retryable: error.retryable,
    hint: `${error.hint ?? 'Make the repository reachable.'} The staged run is kept, and the next run sends it first.`,
    cause: error,
  })
}
