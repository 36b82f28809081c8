import type {
  CaptureFacts,
  ItemFacts,
  ItemFailure,
  OperationOptions,
  RunStage,
  Stage,
  StageContents,
  StagedFileFacts,
  StagedRun,
  StageEvent,
  Staging,
  StreamedFile,
} from '../contracts/index.ts'
import { abortError, BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { assertSafePath } from '../naming/safe-path.ts'
import { abortable } from '../uploaders/checked-content.ts'
import { StageState } from './stage-state.ts'

/**
 * A staging without a disk: what an agent writes goes straight into the repository, which must support it. A slow store slows the agent
 * down, and a run that is cut begins anew; what it had sent is found by a repository that deduplicates. Agents whose application writes
 * files of its own need a directory staging. Jobs are locked within this process only: whoever starts several processes for one job
 * keeps them apart.
 */
export function createStreamStaging(): Staging {
  const busy = new Set<string>()
  const followed = new Set<string>()
  return {
    streams: true,
    async begin(run, options = {}) {
      throwIfAborted(options.signal, `beginning a stage for job "${run.job}"`)
      if (busy.has(run.job)) {
        throw new BackupError(`job "${run.job}" is being backed up already`, {
          code: 'CONFLICT',
          retryable: true,
          hint: 'Wait until that run has ended, or abort it.',
        })
      }
      busy.add(run.job)
      return new StreamRunStage(run, () => busy.delete(run.job))
    },
    resumable: () => nothing(),
    async follow(job, { signal } = {}) {
      throwIfAborted(signal, `following job "${job}"`)
      if (followed.has(job)) {
        throw new BackupError(`job "${job}" is already being followed by this process`, {
          code: 'CONFLICT',
          hint: 'A job is followed once; let that go on, or end it first.',
        })
      }
      followed.add(job)
      let held = true
      return {
        async [Symbol.asyncDispose]() {
          if (held) followed.delete(job)
          held = false
        },
      }
    },
  }
}

/** Nothing of a run that was cut is here. */
async function* nothing(): AsyncGenerator<never, void> {
  yield* []
}

class StreamRunStage implements RunStage {
  readonly run: StagedRun
  readonly stage: Stage
  readonly contents: StageContents
  readonly abandonedRuns: readonly string[] = []
  readonly #state = new StageState()
  readonly #events: StageEvent[] = []
  readonly #streams = new Set<Stream>()
  readonly #onClose: () => void
  #failed: { readonly cause: unknown } | undefined
  #draining = false
  #wake: (() => void) | undefined

  constructor(run: StagedRun, onClose: () => void) {
    this.run = run
    this.#onClose = onClose
    const sealed = () => this.sealed
    this.stage = {
      directory: '',
      largestFile: Number.MAX_SAFE_INTEGER,
      folder: (item) => Promise.reject(needsDirectory(item)),
      adopt: ({ item }) => Promise.reject(needsDirectory(item)),
      write: (file, content, options) => this.#write(file, content, options),
      sealItem: async (facts) => this.#sealItem(facts),
      failItem: async (item, failure) => this.#failItem(item, failure),
      seal: async (facts) => this.#seal(facts),
    }
    this.contents = {
      budget: 0,
      get sealed() {
        return sealed()
      },
      notes: [],
      note: async () => undefined,
      drain: (options) => this.#drain(options),
    }
  }

  get sealed(): boolean {
    return this.#state.sealed
  }

  stopDraining(cause: unknown): void {
    this.#state.fail(cause)
    for (const stream of this.#streams) stream.end(cause)
  }

  stopFilling(cause: unknown): void {
    if (this.sealed) return
    this.#failed ??= { cause }
    this.stopDraining(cause)
    this.#wake?.()
  }

  async remove(): Promise<void> {
    await this[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopDraining(new BackupError(`stage ${this.run.id} of job "${this.run.job}" was closed`, { code: 'ABORTED' }))
    this.#onClose()
  }

  async #write(
    { item, name }: { readonly item: string; readonly name: string },
    content: AsyncIterable<Uint8Array>,
    { signal }: OperationOptions = {},
  ): Promise<StagedFileFacts> {
    const what = `sending ${name} of ${item}`
    throwIfAborted(signal, what)
    assertSafePath(name, 'file name')
    const ended = this.#state.beginFile(item, name)
    const stream = new Stream(item, name, abortable(content, what, { signal }))
    const onAbort = () => stream.end(abortError(signal as AbortSignal, what))
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#streams.add(stream)
    this.#push({ type: 'stream', file: stream })
    try {
      const facts = await stream.ended
      this.#state.assertStillWanted(item)
      ended(true)
      return { item, name, ...facts }
    } catch (error) {
      ended(false)
      throw error
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#streams.delete(stream)
    }
  }

  #sealItem(facts: ItemFacts): void {
    this.#state.endItem(facts.item)
    this.#push({ type: 'item', item: facts })
  }

  #failItem(item: string, failure: ItemFailure): void {
    this.#state.failItem(item, failure)
    const cause = new BackupError(`item "${item}" was given up: ${failure.message}`, { code: failure.code, hint: failure.hint })
    for (const stream of this.#streams) if (stream.item === item) stream.end(cause)
    this.#push({ type: 'item-failed', item, failure })
  }

  #seal(facts: CaptureFacts): void {
    this.#state.assertComplete()
    this.#state.seal()
    this.#push({ type: 'sealed', facts })
  }

  #push(event: StageEvent): void {
    this.#events.push(event)
    this.#wake?.()
  }

  async *#drain({ signal }: OperationOptions = {}): AsyncGenerator<StageEvent, void> {
    if (this.#draining) throw new TypeError('a stage is drained once')
    throwIfAborted(signal, 'draining the stage')
    this.#draining = true
    const onAbort = () => this.#wake?.()
    signal?.addEventListener('abort', onAbort)
    let complete = false
    try {
      while (!complete) {
        if (signal?.aborted) throw abortError(signal, 'draining the stage')
        if (this.#failed !== undefined) throw this.#failed.cause
        const event = this.#events.shift()
        if (event === undefined) await this.#change()
        else {
          complete = event.type === 'sealed'
          yield event
        }
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
      if (!complete) this.stopDraining(nobodyReads())
    }
  }

  async #change(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    await promise
    this.#wake = undefined
  }
}

/** One file on its way from the agent to the repository. */
class Stream implements StreamedFile {
  readonly item: string
  readonly name: string
  readonly #content: AsyncIterable<Uint8Array>
  readonly #ended = Promise.withResolvers<{ readonly size: number; readonly sha256: string }>()
  readonly #controller = new AbortController()
  #reading = false
  #failure: { readonly cause: unknown } | undefined

  constructor(item: string, name: string, content: AsyncIterable<Uint8Array>) {
    this.item = item
    this.name = name
    this.#content = content
    this.#ended.promise.catch(() => undefined)
  }

  get ended(): Promise<{ readonly size: number; readonly sha256: string }> {
    return this.#ended.promise
  }

  get failed(): boolean {
    return this.#failure !== undefined
  }

  async *read(): AsyncGenerator<Uint8Array, void> {
    if (this.#reading) throw new TypeError(`${this.name} of ${this.item} passes once and was read already`)
    this.#reading = true
    if (this.#failure !== undefined) throw this.#failure.cause
    try {
      yield* abortable(this.#content, `sending ${this.name} of ${this.item}`, { signal: this.#controller.signal })
    } catch (error) {
      throw this.end(error)
    }
  }

  accept({ size, sha256 }: { readonly size: number; readonly sha256: string }): void {
    this.#ended.resolve({ size, sha256 })
  }

  refuse(cause: unknown): void {
    this.#ended.reject(cause)
  }

  /** The agent's side is over: whoever reads hears of the first cause, and so does the agent. Returns it. */
  end(cause: unknown): unknown {
    this.#failure ??= { cause }
    this.#controller.abort(this.#failure.cause)
    this.#ended.reject(this.#failure.cause)
    return this.#failure.cause
  }
}

function needsDirectory(item: string): BackupError {
  return new BackupError(`item ${item} consists of files that its application writes, and this staging has no disk`, {
    code: 'UNSUPPORTED',
    hint: 'Use a staging directory for this job.',
  })
}

function nobodyReads(): BackupError {
  return new BackupError('the repository stopped taking what is captured', {
    code: 'OUT_OF_SPACE',
    hint: 'Look for the error of the repository first: nothing is kept on the way, so the capture ends with it.',
  })
}
