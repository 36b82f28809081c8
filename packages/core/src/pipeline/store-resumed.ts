import type { Agent, Backup, FailureCode, OperationOptions, Problem, Repository, RunStage, Staging } from '../contracts/index.ts'
import { BackupError } from '../errors/backup-error.ts'
import type { RunReporter } from '../events/run-reporter.ts'
import { isMirrorNote } from '../mirrors/stage-participants.ts'
import { hasMirrors, withMirrors } from '../mirrors/with-mirrors.ts'
import { tidy } from './tidy.ts'

export interface ResumedRuns {
  readonly stored: readonly Backup[]
  /** Runs that can never be completed; what they had sent may be removed. */
  readonly givenUp: readonly string[]
}

/**
 * Sends the sealed stages that earlier runs of the job could not send, oldest first. One that the repository has
 * already (the process died between commit and removal) is only removed; one that can never be completed, because its
 * files are damaged or what it had sent is not in the repository any more, is given up with a problem: else it would
 * stand in the way of every run to come.
 * They are not confirmed: their captures are gone, and the next confirmed capture truncates for them too.
 */
export async function storeResumed(
  parts: { readonly agent: Agent; readonly repository: Repository; readonly staging: Staging; readonly job: string },
  reporter: RunReporter,
  options: OperationOptions,
): Promise<ResumedRuns> {
  const stored: Backup[] = []
  const givenUp: string[] = []
  const send = async (stage: RunStage): Promise<void> => {
    const { id } = stage.run
    const find = () => findBackup(parts.repository, { job: parts.job, id }, options)
    // Mirrors may lack what the first has.
    if (!hasMirrors(parts.repository) && (await find()) !== undefined) return
    reporter.emit({ type: 'resuming', id })
    try {
      const backup = await knowing(parts.repository, stage).store(
        { run: stage.run, agent: { version: parts.agent.version } },
        stage.contents,
        options,
      )
      stored.push(backup)
      tellStored(backup, true, parts.repository, reporter)
    } catch (error) {
      if (!isHopeless(error) || !(await answers(find))) throw notSent(error, id)
      givenUp.push(id)
      reporter.problem(problemOfGivenUp(error, id))
    }
  }
  for await (const stage of parts.staging.resumable(parts.job, options)) {
    try {
      await send(stage)
      await stage.remove()
    } finally {
      await tidy(() => stage[Symbol.asyncDispose](), 'the staging could not be closed', reporter)
    }
  }
  return { stored, givenUp }
}

/** The repository, which sees of the notes only its own where the stage was sent to several before. */
function knowing(repository: Repository, { contents }: RunStage): Repository {
  return hasMirrors(repository) || !contents.notes.some(isMirrorNote) ? repository : withMirrors(repository, [])
}

const hopelessCodes = new Set<FailureCode>(['CORRUPTED', 'NOT_FOUND'])

function isHopeless(error: unknown): error is BackupError {
  return BackupError.is(error) && !error.retryable && hopelessCodes.has(error.code)
}

/**
 * A disk that is unmounted while it is written to says the same as one on which something is missing: only what fails on a
 * repository that still answers afterwards speaks of the run.
 */
async function answers(ask: () => Promise<unknown>): Promise<boolean> {
  return await ask().then(
    () => true,
    () => false,
  )
}

function problemOfGivenUp({ code, message }: BackupError, id: string): Problem {
  return {
    severity: 'warning',
    code,
    message: `the staged run ${id} that an earlier run could not send can never be completed and is given up: ${message}`,
    hint:
      code === 'CORRUPTED'
        ? 'Nothing is to be done: this run captures everything since the last committed backup. Check the disk if it happens again.'
        : 'This run captures everything since the last committed backup. Find out who removed objects from the repository, or whether the job was pointed to another one.',
  }
}

/** The last bytes before it are said first. Returns what the backup takes in the store. */
export function tellStored(backup: Backup, resumed: boolean, repository: Repository, reporter: RunReporter): number | undefined {
  const storedBytes = repository.storedBytes?.(backup)
  reporter.flush()
  reporter.emit({ type: 'stored', id: backup.id, status: backup.status, resumed, ...(storedBytes === undefined ? {} : { storedBytes }) })
  return storedBytes
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
  if (!BackupError.is(error)) return error
  const kept = 'The staged run is kept, and the next run sends it first.'
  if (error.code === 'ABORTED') return new BackupError(error.message, { code: 'ABORTED', hint: kept, cause: error })
  return new BackupError(`run ${id}, staged earlier, could not be sent: ${error.message}`, {
    code: error.code,
    retryable: error.retryable,
    hint: `${error.hint ?? 'Make the repository reachable.'} ${kept}`,
    cause: error,
  })
}
