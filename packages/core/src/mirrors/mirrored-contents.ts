import type { Json, OperationOptions, StageContents, StagedFile, StageEvent } from '../contracts/index.ts'
import { abortError, throwIfAborted } from '../errors/backup-error.ts'

/** One of several who drain the same stage. */
export interface MirroredBranch {
  readonly contents: StageContents
  /** An earlier attempt gave up on it: files that it never had are gone, and it must not store what is left as if that were all. */
  readonly missed: boolean
  /** It has all that it needs: nothing is kept for it any more. */
  leave(): Promise<void>
  /** It failed, and shall not hold up the others: its files go, once the stage has noted durably that it misses this run. */
  miss(): Promise<void>
}

export interface MirroredContents {
  readonly branches: readonly MirroredBranch[]
  /** Nobody drains any more; resolves when the stage may be drained anew. */
  close(): Promise<void>
}

/**
 * The contents of one stage for several repositories. Everybody gets every event; a staged file is released when all have released it, so
 * that the slowest sets the pace as soon as the budget of the stage is used up. Notes of the first are kept as they are, as if it were alone;
 * those of the others with their destination.
 *
 * @param destinations one for each, all different
 */
export function mirrorContents(contents: StageContents, destinations: readonly string[]): MirroredContents {
  const shared = new SharedDrain(contents, destinations.length)
  const branches = destinations.map((destination, branch): MirroredBranch => {
    const notes = (): readonly Json[] => contents.notes.flatMap((note) => noteOf(note, branch === 0 ? undefined : destination))
    return {
      contents: {
        budget: contents.budget,
        get sealed() {
          return contents.sealed
        },
        get notes() {
          return notes()
        },
        note: (note) => contents.note(branch === 0 ? note : { mirror: destination, note }),
        drain: (options) => shared.drain(branch, options),
      },
      missed: contents.notes.some((note) => isMirrorNote(note) && note.mirror === destination && note.missed === true),
      leave: () => shared.leave(branch),
      async miss() {
        await contents.note({ mirror: destination, missed: true })
        await shared.leave(branch)
      },
    }
  })
  return { branches, close: () => shared.close() }
}

interface MirrorNote {
  readonly mirror: string
  readonly note?: Json
  readonly missed?: boolean
}

/** @param mirror `undefined` for the first, whose notes are all that are of no mirror */
function noteOf(note: Json, mirror: string | undefined): readonly Json[] {
  if (!isMirrorNote(note)) return mirror === undefined ? [note] : []
  return note.mirror === mirror && note.note !== undefined ? [note.note] : []
}

function isMirrorNote(note: Json): note is Json & MirrorNote {
  return typeof note === 'object' && note !== null && 'mirror' in note && typeof note.mirror === 'string'
}

interface HeldFile {
  readonly file: StagedFile
  readonly holders: Set<number>
}

/** Events that all have taken are let go of when there are so many. */
const passedEvents = 1024

/** Draws from the stage what the first who asks has not had yet, and keeps it for the others. */
class SharedDrain {
  readonly #contents: StageContents
  readonly #stopping = new AbortController()
  /** Who may still take something. */
  readonly #present: Set<number>
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

  constructor(contents: StageContents, branches: number) {
    this.#contents = contents
    this.#taken = Array.from({ length: branches }, () => 0)
    this.#present = new Set(this.#taken.keys())
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
      if (!complete) this.#go(branch)
    }
  }

  /** Resolves when what nobody else needs is released. */
  async leave(branch: number): Promise<void> {
    this.#go(branch)
    for (const held of this.#held) await this.#release(branch, held)
  }

  #go(branch: number): void {
    this.#present.delete(branch)
    this.#letGoOfPassed()
    if (this.#present.size === 0) this.close()
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
    const held = { file: event.file, holders: new Set(this.#present) }
    this.#held.add(held)
    return held
  }

  #fileFor(branch: number, held: HeldFile): StagedFile {
    const { file } = held
    const { item, name, size, sha256 } = file
    return {
      item,
      name,
      size,
      sha256,
      open: (range) => file.open(range),
      ...(file.readInto === undefined ? {} : { readInto: (room) => file.readInto?.(room) ?? noContent() }),
      release: () => this.#release(branch, held),
    }
  }

  async #release(branch: number, held: HeldFile): Promise<void> {
    held.holders.delete(branch)
    if (held.holders.size > 0 || !this.#held.delete(held)) return
    await held.file.release()
  }

  #take(branch: number): void {
    this.#taken[branch] = (this.#taken[branch] ?? 0) + 1
    this.#letGoOfPassed()
  }

  #letGoOfPassed(): void {
    const passed = Math.min(...[...this.#present].map((branch) => this.#taken[branch] ?? 0))
    if (!Number.isFinite(passed) || passed - this.#passed < passedEvents) return
    this.#events = this.#events.slice(passed - this.#passed)
    this.#passed = passed
  }
}

async function* noContent(): AsyncGenerator<number, void> {}
