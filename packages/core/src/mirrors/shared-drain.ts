import type { OperationOptions, StageContents, StagedFile, StageEvent } from '../contracts/index.ts'
import { abortError, throwIfAborted } from '../errors/backup-error.ts'

interface HeldFile {
  readonly file: StagedFile
  /** Who still needs it. */
  readonly holders: Set<number>
}

/** Events that all have taken are let go of when there are so many. */
const passedEvents = 1024

/**
 * One drain of a stage for several branches, numbered from 0: draws what the first who asks has not had yet, and keeps it for the others.
 * A file is needed by every branch until that has released it or has left; that a branch has stopped draining is no reason to let one go, since its
 * store may be tried again.
 */
export class SharedDrain {
  readonly #contents: Pick<StageContents, 'drain'>
  readonly #onMissed: (branch: number) => Promise<void>
  readonly #stopping = new AbortController()
  /** Who may still take events. */
  readonly #taking: Set<number>
  /** Who needs files. */
  readonly #needing: Set<number>
  /** Who failed while others go on. */
  readonly #givenUp = new Set<number>()
  /** What was noted of those that were given up, once a file went without them. */
  readonly #missing = new Map<number, Promise<void>>()
  readonly #held = new Set<HeldFile>()
  /** How many events each has taken. */
  readonly #taken: number[]
  #events: (StageEvent | HeldFile)[] = []
  /** Events before the first of `#events`. */
  #passed = 0
  #source: AsyncIterator<StageEvent> | undefined
  #drawing: Promise<void> | undefined
  #closed: Promise<void> | undefined
  #end: { readonly error?: unknown } | undefined

  /** @param onMissed notes durably that a file goes without this branch having it; the file stays where that fails */
  constructor(contents: Pick<StageContents, 'drain'>, branches: number, onMissed: (branch: number) => Promise<void>) {
    this.#contents = contents
    this.#onMissed = onMissed
    this.#taken = Array.from({ length: branches }, () => 0)
    this.#taking = new Set(this.#taken.keys())
    this.#needing = new Set(this.#taken.keys())
  }

  async *drain(branch: number, { signal }: OperationOptions = {}): AsyncGenerator<StageEvent, void> {
    throwIfAborted(signal, 'draining the stage')
    let complete = false
    try {
      while (!complete) {
        if (signal?.aborted) throw abortError(signal, 'draining the stage')
        const event = this.#events[(this.#taken[branch] ?? 0) - this.#passed]
        if (event !== undefined) {
          this.#take(branch)
          complete = 'type' in event && event.type === 'sealed'
          yield 'holders' in event ? { type: 'file', file: this.#fileFor(branch, event) } : event
        } else if (this.#end === undefined) await this.#drawn(signal)
        else if ('error' in this.#end) throw this.#end.error
        else return
      }
    } finally {
      this.#stopTaking(branch)
    }
  }

  /** It takes no part: nothing is kept for it. Before anything is drawn. */
  exclude(branch: number): void {
    this.#needing.delete(branch)
    this.#stopTaking(branch)
  }

  /** It has all that it needs. Resolves when what nobody else needs is released. */
  async leave(branch: number): Promise<void> {
    this.exclude(branch)
    for (const held of this.#held) if (held.holders.has(branch)) await this.#release(branch, held)
  }

  /** It failed, and the others go on. Resolves when what nobody else needs is released. */
  async giveUp(branch: number): Promise<void> {
    this.#givenUp.add(branch)
    this.#stopTaking(branch)
    for (const held of this.#held) await this.#releaseUnneeded(held)
  }

  /** The stage hears of it as of one who drains alone and leaves. */
  close(): Promise<void> {
    this.#end ??= {}
    this.#stopping.abort()
    this.#closed ??= Promise.resolve(this.#source?.return?.()).then(
      () => undefined,
      () => undefined,
    )
    return this.#closed
  }

  #stopTaking(branch: number): void {
    this.#taking.delete(branch)
    if (this.#taking.size === 0) this.close()
    else this.#letGoOfPassed()
  }

  async #drawn(signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = () => resolve()
    signal?.addEventListener('abort', wake, { once: true })
    this.#drawing ??= this.#draw().finally(() => {
      this.#drawing = undefined
    })
    this.#drawing.then(wake)
    await promise
    signal?.removeEventListener('abort', wake)
  }

  async #draw(): Promise<void> {
    try {
      this.#source ??= this.#contents.drain({ signal: this.#stopping.signal })[Symbol.asyncIterator]()
      const { done, value } = await this.#source.next()
      if (done === true) this.#end ??= {}
      else this.#events.push(this.#keep(value))
    } catch (error) {
      this.#end ??= { error }
    }
  }

  #keep(event: StageEvent): StageEvent | HeldFile {
    if (event.type === 'stream') throw new TypeError('a content that passes once cannot be given to several repositories')
    if (event.type !== 'file') return event
    const held = { file: event.file, holders: new Set(this.#needing) }
    this.#held.add(held)
    return held
  }

  #fileFor(branch: number, held: HeldFile): StagedFile {
    const { file } = held
    const { item, name, size, sha256, readInto } = file
    return {
      item,
      name,
      size,
      sha256,
      open: (range) => file.open(range),
      ...(readInto === undefined ? {} : { readInto: readInto.bind(file) }),
      release: () => this.#release(branch, held),
    }
  }

  async #release(branch: number, held: HeldFile): Promise<void> {
    held.holders.delete(branch)
    await this.#releaseUnneeded(held)
  }

  async #releaseUnneeded(held: HeldFile): Promise<void> {
    if (!this.#held.has(held) || [...held.holders].some((holder) => !this.#givenUp.has(holder))) return
    this.#held.delete(held)
    for (const holder of held.holders) await this.#note(holder)
    await held.file.release()
  }

  #note(branch: number): Promise<void> {
    let noted = this.#missing.get(branch)
    if (noted === undefined) {
      noted = this.#onMissed(branch)
      this.#missing.set(branch, noted)
    }
    return noted
  }

  #take(branch: number): void {
    this.#taken[branch] = (this.#taken[branch] ?? 0) + 1
    this.#letGoOfPassed()
  }

  #letGoOfPassed(): void {
    const passed = Math.min(...[...this.#taking].map((branch) => this.#taken[branch] ?? 0))
    if (!Number.isFinite(passed) || passed - this.#passed < passedEvents) return
    this.#events = this.#events.slice(passed - this.#passed)
    this.#passed = passed
  }
}
