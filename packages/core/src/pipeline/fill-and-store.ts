import type { Agent, Backup, Capture, Repository, RunStage } from '../contracts/index.ts'
import { abortError, BackupError, throwIfAborted } from '../errors/backup-error.ts'
import type { RunReporter } from '../events/run-reporter.ts'
import { watchDrain } from './drain-watch.ts'
import { type WatchedItems, watchItems } from './item-watch.ts'

export interface FillAndStoreParts {
  readonly agent: Pick<Agent, 'version'>
  readonly repository: Pick<Repository, 'store'>
  readonly capture: Pick<Capture, 'facts' | 'copyTo'>
  readonly stage: RunStage
  /** False where nobody will come back to what was sealed; true when left out. */
  readonly resumable?: boolean
}

type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown }

/**
 * Fills the stage while the repository drains it. Resolves when the repository has committed; both sides have ended
 * whichever way it goes.
 *
 * - The capture fails: the drain throws, the store is aborted, nothing is committed.
 * - The store fails for now (a retryable error): the capture goes on as long as there is room, so that a complete one
 *   stays sealed for the next run. It fails for good: the capture is aborted.
 */
export async function fillAndStore(parts: FillAndStoreParts, reporter: RunReporter, signal: AbortSignal | undefined): Promise<Backup> {
  const { agent, repository, capture, stage, resumable = true } = parts
  const filling = new AbortController()
  const storing = new AbortController()
  const both = (own: AbortController) => (signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]))
  const watched = watchItems(stage.stage, reporter)
  const resumedBytes = reporter.bytesOf('store')

  const drain = watchDrain(stage.contents, watched.items)

  const fill = async (): Promise<void> => {
    await capture.copyTo(watched.stage, { signal: both(filling), onProgress: reporter.onProgress })
    throwIfAborted(both(filling), 'the capture')
    // An item may have failed only because nobody drained any more: such a capture is not worth keeping.
    if (drain.left !== undefined && watched.items.failed.length > drain.left) throw drainLeft()
    assertSomethingToStore(watched.items)
    const { reason: _, ...facts } = capture.facts
    if (!stage.sealed) await stage.stage.seal(facts)
    reporter.flush()
    const { sealed, failed, stagedBytes } = watched.items
    reporter.expect('store', resumedBytes + stagedBytes)
    reporter.emit({ type: 'captured', items: sealed.length, failed: failed.length, bytes: reporter.bytesOf('capture') })
  }
  const store = () =>
    repository.store({ run: { ...stage.run, kind: capture.facts.kind }, agent: { version: agent.version } }, drain.contents, {
      signal: both(storing),
      onProgress: reporter.onProgress,
    })

  const onAbort = () => stage.stopFilling(abortError(signal as AbortSignal, 'the backup'))
  signal?.addEventListener('abort', onAbort, { once: true })
  if (signal?.aborted) onAbort()
  try {
    const [filled, stored] = await Promise.all([
      settle(fill).then((outcome) => {
        if (!outcome.ok) {
          stage.stopFilling(outcome.error)
          storing.abort(outcome.error)
        }
        return outcome
      }),
      settle(store).then((outcome) => {
        if (!outcome.ok) {
          drain.leave()
          stage.stopDraining(outcome.error)
          const passing = BackupError.is(outcome.error) && outcome.error.retryable
          if (!passing && !stage.sealed) filling.abort(outcome.error)
        }
        return outcome
      }),
    ])
    // Whatever else went wrong: a record that was written is a backup.
    if (stored.ok) return committed(stored.value, stage.sealed)
    if (signal?.aborted) throw stage.sealed && resumable ? keptWhenAborted(signal, stage.run.id) : abortError(signal, 'the backup')
    if (!filled.ok && cameFirst(filled.error, stored.error)) throw filled.error
    throw stage.sealed && resumable ? kept(stored.error, stage.run.id) : stored.error
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}

function committed(backup: Backup, sealed: boolean): Backup {
  if (!sealed) throw new TypeError(`the repository committed ${backup.id} before the capture was complete`)
  return backup
}

function assertSomethingToStore(items: WatchedItems): void {
  if (items.sealed.length > 0) return
  const [first] = items.failed
  if (first === undefined) {
    throw new BackupError('the capture holds no item', {
      code: 'NOT_FOUND',
      hint: 'Check with discover which items there are, and whether the settings of the job leave any of them.',
    })
  }
  throw new BackupError(
    `all ${items.failed.length} items failed: ${items.failed.map(({ item, failure }) => `${item}: ${failure.message}`).join('; ')}`,
    { code: first.failure.code, hint: first.failure.hint ?? 'Correct the cause named for each item and back up again.' },
  )
}

async function settle<T>(action: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await action() }
  } catch (error) {
    return { ok: false, error }
  }
}

/** Whether the capture failed by itself, and not only because the store had failed: aborted by it, or without room because nobody drained. */
function cameFirst(filled: unknown, stored: unknown): boolean {
  if (causedBy(stored, filled)) return true
  if (causedBy(filled, stored)) return false
  if (codeOf(stored) === 'ABORTED') return true
  return codeOf(filled) !== 'OUT_OF_SPACE' && codeOf(filled) !== 'ABORTED'
}

function codeOf(error: unknown): string | undefined {
  return BackupError.is(error) ? error.code : undefined
}

function causedBy(error: unknown, cause: unknown): boolean {
  for (let current = error; current !== undefined && current !== null; current = (current as { cause?: unknown }).cause) {
    if (current === cause) return true
  }
  return false
}

function drainLeft(): BackupError {
  return new BackupError('items failed because the repository stopped taking what was staged', {
    code: 'OUT_OF_SPACE',
    hint: 'Look for the error of the repository first.',
  })
}

function keptWhenAborted(signal: AbortSignal, id: string): BackupError {
  return new BackupError(`the backup was aborted while run ${id}, which is captured, was being stored`, {
    code: 'ABORTED',
    hint: 'The capture is complete and kept in the staging; the next run of this job sends it first.',
    cause: signal.reason,
  })
}

function kept(error: unknown, id: string): unknown {
  if (!BackupError.is(error)) return error
  return new BackupError(`run ${id} is captured and could not be stored: ${error.message}`, {
    code: error.code,
    retryable: error.retryable,
    hint: `${error.hint ?? 'Make the repository reachable.'} The capture is complete and kept in the staging; the next run sends it first.`,
    cause: error,
  })
}
