import type { OperationOptions, StagedFile, StageEvent } from '../contracts/index.ts'
import { abortError, BackupError, throwIfAborted } from '../errors/backup-error.ts'
import type { LocalFile } from './staged-file.ts'

type Entry =
  | { readonly type: 'file'; readonly file: StagedFile; readonly local: LocalFile }
  | Exclude<StageEvent, { type: 'file' | 'pressure' }>

/** What happened on a stage, in order; one drainer follows it while it grows. */
export class StageEvents {
  readonly #entries: Entry[] = []
  readonly #needsRelease: () => boolean
  readonly #onDrainerGone: (cause: unknown) => void
  readonly #budgetName: string
  #failed: { readonly cause: unknown } | undefined
  #wake: (() => void) | undefined
  #draining = false
  /** Counts every change after which saying `pressure` again makes sense. */
  #pressureCause = 0

  /** @param budgetName how hints call the setting that the budget comes from */
  constructor(needsRelease: () => boolean, onDrainerGone: (cause: unknown) => void, budgetName: string) {
    this.#needsRelease = needsRelease
    this.#onDrainerGone = onDrainerGone
    this.#budgetName = budgetName
  }

  push(entry: Entry): void {
    this.#entries.push(entry)
    this.#wake?.()
  }

  /** The drain throws `cause`, now or when it begins. */
  fail(cause: unknown): void {
    this.#failed ??= { cause }
    this.#wake?.()
  }

  /** Somebody began to wait for room, or room was freed. */
  roomChanged(): void {
    this.#pressureCause++
    this.#wake?.()
  }

  async *drain(options: OperationOptions = {}): AsyncGenerator<StageEvent, void, void> {
    if (this.#draining) throw new TypeError('a stage is drained by one drainer at a time')
    throwIfAborted(options.signal, 'draining the stage')
    this.#draining = true
    let complete = false
    let answered = -1
    const onAbort = () => this.#wake?.()
    options.signal?.addEventListener('abort', onAbort)
    try {
      for (let cursor = 0; ; ) {
        if (options.signal?.aborted) throw abortError(options.signal, 'draining the stage')
        if (this.#failed !== undefined) throw this.#failed.cause
        const entry = this.#entries[cursor]
        if (entry !== undefined) {
          cursor++
          if (entry.type === 'file') {
            if (entry.local.offer()) yield { type: 'file', file: entry.file }
            continue
          }
          if (entry.type === 'sealed') complete = true
          yield entry
          if (complete) return
        } else if (this.#needsRelease() && answered !== this.#pressureCause) {
          answered = this.#pressureCause
          yield { type: 'pressure' }
        } else await this.#change()
      }
    } finally {
      this.#draining = false
      options.signal?.removeEventListener('abort', onAbort)
      if (!complete) this.#onDrainerGone(drainerGone(this.#budgetName))
    }
  }

  async #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    await promise
    this.#wake = undefined
  }
}

function drainerGone(budgetName: string): BackupError {
  return new BackupError('the staging budget is used up and nobody sends what is staged', {
    code: 'OUT_OF_SPACE',
    hint: `Look for the error that ended the upload first; raise ${budgetName} if captures must go on without it.`,
  })
}
