import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type {
  ByteRange,
  CaptureFacts,
  ItemFacts,
  Json,
  RunStage,
  StagedFile,
  StagedFileFacts,
  StagedRun,
  StageEvent,
} from '../contracts/index.ts'
import { BackupError, throwIfAborted } from '../errors/backup-error.ts'
import { encodeSegment } from '../naming/path-segment.ts'
import { assertSafePath } from '../naming/safe-path.ts'
import { assertPlainFile, itemFilePath } from '../staging/stage-paths.ts'
import { clampRange } from '../uploaders/byte-range.ts'
import { abortable } from '../uploaders/checked-content.ts'
import { chunksOf } from './chunks-of.ts'

export interface MemoryStageSettings {
  readonly run?: Partial<StagedRun>
  /** An existing empty directory, needed for agents whose application writes its own files. */
  readonly directory?: string
}

export interface MemoryStage extends RunStage {
  /** `item/name` of everything that was released, in order. */
  readonly released: readonly string[]
  /** `item/name` of everything that was opened, in order. */
  readonly opened: readonly string[]
  readonly sealedItems: ReadonlyMap<string, ItemFacts>
  readonly failedItems: ReadonlySet<string>
  readonly facts: CaptureFacts | undefined
  /** Lets the drain give a `pressure`. */
  press(): void
  /** Changes what a staged file holds, as a broken disk would. */
  damage(item: string, name: string, change: (bytes: Buffer) => Buffer): void
}

/** A stage without disk and without budget. Refuses what a real one refuses. */
export function createMemoryStage(settings: MemoryStageSettings = {}): MemoryStage {
  const run: StagedRun = { job: 'job', id: '20260101T000000Z-memory', beganAt: '2026-01-01T00:00:00.000Z', ...settings.run }
  const events: StageEvent[] = []
  const contents = new Map<string, Buffer>()
  const released: string[] = []
  const opened: string[] = []
  const notes: Json[] = []
  const sealedItems = new Map<string, ItemFacts>()
  const failedItems = new Set<string>()
  let facts: CaptureFacts | undefined
  let failure: { readonly error: unknown } | undefined
  let wake: () => void = () => undefined
  let changed = new Promise<void>((resolve) => {
    wake = resolve
  })

  function notify(): void {
    const current = wake
    changed = new Promise((resolve) => {
      wake = resolve
    })
    current()
  }

  function assertOpen(item: string): void {
    if (facts !== undefined) throw new TypeError('the stage is sealed')
    if (sealedItems.has(item) || failedItems.has(item)) throw new TypeError(`item ${item} is sealed or failed`)
    if (failure !== undefined) throw failure.error
  }

  function stagedFile(item: string, name: string, bytes: Buffer): StagedFile {
    const label = `${item}/${name}`
    contents.set(label, bytes)
    return {
      item,
      name,
      size: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      open(range?: ByteRange) {
        const held = contents.get(label)
        opened.push(label)
        if (held === undefined) throw new BackupError(`staged file ${label} was released`, { code: 'NOT_FOUND' })
        const { begin, end } = clampRange(range, held.length)
        return chunksOf(held.subarray(begin, end), [10_000])
      },
      async release() {
        if (contents.delete(label)) released.push(label)
        notify()
      },
    }
  }

  async function add(
    item: string,
    name: string,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal | undefined,
  ): Promise<StagedFileFacts> {
    assertSafePath(name, 'file name')
    throwIfAborted(signal, `staging of ${name}`)
    assertOpen(item)
    const chunks: Uint8Array[] = []
    for await (const chunk of abortable(content, `staging of ${name}`, { signal })) chunks.push(Uint8Array.from(chunk))
    assertOpen(item)
    if (events.some((event) => event.type === 'file' && event.file.item === item && event.file.name === name)) {
      throw new BackupError(`file ${name} of ${item} is staged already`, { code: 'ALREADY_EXISTS' })
    }
    const file = stagedFile(item, name, Buffer.concat(chunks))
    events.push({ type: 'file', file })
    notify()
    return { item, name, size: file.size, sha256: file.sha256 }
  }

  const directory = settings.directory ?? ''
  return {
    run,
    abandonedRuns: [],
    released,
    opened,
    sealedItems,
    failedItems,
    get facts() {
      return facts
    },
    get sealed() {
      return facts !== undefined
    },
    press() {
      events.push({ type: 'pressure' })
      notify()
    },
    stopFilling(cause) {
      if (facts === undefined) failure = { error: cause }
      notify()
    },
    damage(item, name, change) {
      const bytes = contents.get(`${item}/${name}`)
      if (bytes === undefined) throw new TypeError(`${item}/${name} is not staged`)
      contents.set(`${item}/${name}`, change(bytes))
    },
    stage: {
      directory,
      largestFile: Number.MAX_SAFE_INTEGER,
      async folder(item) {
        if (directory === '') throw new TypeError('this memory stage was created without a directory')
        const folder = join(directory, encodeSegment(item))
        await mkdir(folder, { recursive: true, mode: 0o700 })
        return folder
      },
      write: ({ item, name }, content, options) => add(item, name, content, options?.signal),
      async adopt({ item, name }, options) {
        throwIfAborted(options?.signal, `staging of ${name}`)
        if (directory === '') throw new TypeError('this memory stage was created without a directory')
        const file = itemFilePath(directory, item, name)
        await assertPlainFile(directory, file)
        return await add(item, name, createReadStream(file), options?.signal)
      },
      async sealItem(item) {
        assertOpen(item.item)
        sealedItems.set(item.item, item)
        events.push({ type: 'item', item })
        notify()
      },
      async failItem(item, itemFailure) {
        if (sealedItems.has(item)) throw new TypeError(`item ${item} is sealed`)
        failedItems.add(item)
        events.push({ type: 'item-failed', item, failure: itemFailure })
        notify()
      },
      async seal(captureFacts) {
        if (failure !== undefined) throw failure.error
        for (const event of events) {
          if (event.type !== 'file' || sealedItems.has(event.file.item) || failedItems.has(event.file.item)) continue
          throw new TypeError(`item ${event.file.item} is neither sealed nor failed`)
        }
        facts = captureFacts
        events.push({ type: 'sealed', facts: captureFacts })
        notify()
      },
    },
    contents: {
      budget: Number.MAX_SAFE_INTEGER,
      get sealed() {
        return facts !== undefined
      },
      notes,
      async note(note) {
        notes.push(JSON.parse(JSON.stringify(note)) as Json)
      },
      drain(options = {}) {
        return abortable(drain(), 'drain of the stage', options)
      },
    },
    stopDraining() {
      // Without a budget no writer ever waits for room, and whoever has room goes on.
    },
    async remove() {
      contents.clear()
    },
    async [Symbol.asyncDispose]() {
      if (facts === undefined) contents.clear()
    },
  }

  async function* drain(): AsyncGenerator<StageEvent, void> {
    const releasedBefore = new Set(released)
    for (let index = 0; ; ) {
      const waiting = changed
      const event = events[index]
      if (event === undefined) {
        if (failure !== undefined) throw failure.error
        await waiting
        continue
      }
      index++
      if (event.type === 'file' && releasedBefore.has(`${event.file.item}/${event.file.name}`)) continue
      yield event
      if (event.type === 'sealed') return
    }
  }
}
