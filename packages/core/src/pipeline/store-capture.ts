import type { Agent, Backup, Capture, OperationOptions, Repository, RunStage } from '../contracts/index.ts'
import { throwIfAborted } from '../errors/backup-error.ts'
import type { RunReporter } from '../events/run-reporter.ts'
import { fillAndStore } from './fill-and-store.ts'
import { tellStored } from './store-resumed.ts'
import { problemOf, tidy } from './tidy.ts'

export interface StoreCaptureParts {
  readonly agent: Pick<Agent, 'version'>
  readonly repository: Repository
  readonly capture: Capture
  readonly stage: RunStage
}

export interface StoredCapture {
  readonly backup: Backup
  readonly confirmed: boolean
  readonly storedBytes: number | undefined
}

/** Stores a capture through its stage, tells the application, and lets go of the capture, whatever happens. */
export async function storeCapture(
  parts: StoreCaptureParts,
  reporter: RunReporter,
  signal: AbortSignal | undefined,
): Promise<StoredCapture> {
  const { repository, capture } = parts
  try {
    const backup = await fillAndStore(parts, reporter, signal)
    const storedBytes = tellStored(backup, false, repository, reporter)
    const confirmed = await confirm(capture, backup, reporter, { signal, onProgress: reporter.onProgress })
    return { backup, confirmed, storedBytes }
  } finally {
    await tidy(() => capture[Symbol.asyncDispose](), 'the capture could not be released on the server', reporter)
  }
}

/** A committed backup is never lost again, so whatever goes wrong here is only told. */
async function confirm(capture: Capture, backup: Backup, reporter: RunReporter, options: OperationOptions): Promise<boolean> {
  if (backup.status === 'partial') {
    const failed = backup.items.filter((item) => item.failure !== undefined).map((item) => item.item)
    reporter.problem({
      severity: 'warning',
      code: 'APPLICATION',
      message: `the application was not told that it is backed up, because ${failed.join(', ')} failed`,
      hint: 'Its logs stay as they are, and every run is a full, until a run succeeds for every item: repair what failed, or leave it out in the settings of the job.',
    })
    return false
  }
  if (backup.limitedTo !== undefined) return false
  try {
    throwIfAborted(options.signal, 'confirming the backup')
    await capture.confirm(options)
    reporter.emit({ type: 'confirmed', id: backup.id })
    return true
  } catch (error) {
    reporter.problem(problemOf(error, 'the backup is committed, but the application could not be told'))
    return false
  }
}
