import {
  abortable,
  abortError,
  assertSafePath,
  type Backup,
  BackupError,
  type CaptureFacts,
  type ItemFacts,
  type ItemFailure,
  type OperationOptions,
  type StageContents,
  type StagedFile,
  type StageEvent,
  type StoreRequest,
  type StreamedFile,
  throwIfAborted,
} from '@backup-planet/core'
import { findSnapshots, isBackup, readBackup } from '../backups/snapshot-catalog.ts'
import type { BlobIndex } from '../blob-index/blob-index.ts'
import type { IndexedPack } from '../format/index-file.ts'
import type { StorageId } from '../format/storage-id.ts'
import { type OpenRepository, writableConfig } from '../repository-access.ts'
import { addUnindexedPacks, loadIndex } from '../repository-index.ts'
import { findLocks, type HeldLock, lockRepository } from '../repository-lock.ts'
import type { ListedObject } from '../repository-objects.ts'
import type { ResticSession } from '../restic-session.ts'
import { trustedIndex } from '../trusted-index.ts'
import { type BlobWorkers, createBlobWorkers } from '../workers/blob-workers.ts'
import { Allowance } from './allowance.ts'
import { BlobWriter } from './blob-writer.ts'
import { commitSnapshot } from './commit-snapshot.ts'
import { ContentLane, type ReadInto, type SavedContent } from './content-lane.ts'
import { copiedInto } from './file-chunking.ts'
import { IndexWriter } from './index-writer.ts'
import { KnownContents } from './known-contents.ts'
import { SlabMemory } from './slab-memory.ts'
import { readNotes, type StoredFile, storedNote } from './store-notes.ts'

/** Files that are read at once: while one waits for its next bytes, another is cut. */
const filesAtOnce = 3

interface StoringItem {
  facts: ItemFacts | undefined
  failure: ItemFailure | undefined
  readonly files: Map<string, StoredFile>
}

/**
 * Drains a stage into packs, and commits with a snapshot, last. What an attempt before had sent is not sent again, and neither is what
 * a run that was killed had sent, whoever it was.
 */
export async function storeBackup(
  session: ResticSession,
  request: StoreRequest,
  contents: StageContents,
  options: OperationOptions,
): Promise<Backup> {
  throwIfAborted(options.signal, 'storing the backup')
  const repository = await session.openForWriting(options)
  const config = writableConfig(repository)
  const { settings } = session
  const slabs = new SlabMemory(settings.slabs, config.chunkerPolynomial)
  await using workers = createBlobWorkers(
    { key: repository.key, memory: slabs.memory.buffer, compressionLevel: settings.compressionLevel },
    settings.threads,
  )
  // Locking waits for others to be seen: time enough for threads to start.
  workers.start()
  await using lock = await lockRepository(repository, { exclusive: false, waitMilliseconds: settings.waitForLockMilliseconds }, options)
  const committed = await committedBackup(session, request, options)
  if (committed !== undefined) return committed
  const unindexed: ListedObject[] = []
  const loaded = await trustedIndex(repository, await loadIndex(repository, options), options, (pack) => unindexed.push(pack))
  const index = loaded.blobs
  const adopted = await adoptPacks(repository, index, unindexed, lock, options)
  // One index for all: it is the largest thing there is in memory.
  session.useIndex({ ...loaded, files: new Set([...loaded.files, ...adopted]) })
  return await new ResticStore({
    session,
    repository,
    slabs,
    workers,
    lock,
    index,
    known: await KnownContents.ofJob(session, index, request.run.job, options),
    request,
    contents,
    options,
  }).run()
}

async function committedBackup(session: ResticSession, { run }: StoreRequest, options: OperationOptions): Promise<Backup | undefined> {
  const { snapshots } = await findSnapshots(session, options)
  const found = snapshots.find((snapshot) => isBackup(snapshot, { id: run.id, job: run.job }))
  return found === undefined ? undefined : readBackup(session, found, options)
}

/**
 * What killed runs had sent is in the index from now on, for everybody. Looked for always: a stale lock would say that somebody was
 * killed, and is gone as soon as anybody has unlocked the repository. Not while others hold a lock: a pack of theirs may still go again,
 * where their store loses an answer and they send it once more. They are looked for after the packs were listed: who begins between the
 * two is seen, and what was removed by then is missed when its header is read. Returns the index files that were written.
 */
async function adoptPacks(
  repository: OpenRepository,
  index: BlobIndex,
  unindexed: readonly ListedObject[],
  lock: HeldLock,
  options: OperationOptions,
): Promise<readonly StorageId[]> {
  if (unindexed.length === 0) return []
  if ((await findLocks(repository, options)).filter(({ stale }) => !stale).length > 1) return []
  const indexes = new IndexWriter(repository, () => lock.assertHeld(options))
  const write = async (packs: readonly IndexedPack[]): Promise<void> => {
    for (const pack of packs) {
      indexes.add(pack)
      if (indexes.full) await indexes.write(options)
    }
  }
  await addUnindexedPacks(repository, index, options, write, unindexed)
  await indexes.write(options)
  return indexes.written
}

interface StoreParts {
  readonly session: ResticSession
  readonly repository: OpenRepository
  readonly slabs: SlabMemory
  readonly workers: BlobWorkers
  readonly lock: HeldLock
  readonly index: BlobIndex
  readonly known: KnownContents
  readonly request: StoreRequest
  readonly contents: StageContents
  readonly options: OperationOptions
}

class ResticStore {
  readonly #parts: StoreParts
  readonly #controller = new AbortController()
  readonly #lanes: ContentLane[] = []
  readonly #lanesFree = new Allowance(filesAtOnce)
  readonly #items = new Map<string, StoringItem>()
  readonly #earlier: readonly StoredFile[]
  /** Orders that files of earlier attempts have not taken, in turn. */
  readonly #orders: Generator<number, never>
  readonly #reading = new Set<Promise<void>>()
  readonly #durable: { readonly stored: StoredFile; readonly file: StagedFile }[] = []
  #noting: Promise<void> | undefined
  #pressed = false
  #writer: BlobWriter | undefined

  constructor(parts: StoreParts) {
    this.#parts = parts
    parts.slabs.onWait = () => this.#writer?.sealBatch()
    this.#earlier = readNotes(parts.contents.notes)
    this.#orders = ordersBeside(new Set(this.#earlier.map(({ order }) => order)))
  }

  async run(): Promise<Backup> {
    const { options, lock, repository, session, index, slabs, workers } = this.#parts
    const signal = AbortSignal.any([this.#controller.signal, lock.lost, ...(options.signal === undefined ? [] : [options.signal])])
    const { settings } = session
    const writer = new BlobWriter({
      repository,
      index,
      workers,
      packBytes: settings.packBytes,
      packs: settings.packs,
      slabs,
      compressionLevel: settings.compressionLevel,
      signal,
      onFailure: (error) => this.#controller.abort(error),
      beforeIndex: () => lock.assertHeld({ signal: AbortSignal.timeout(30_000) }),
    })
    this.#writer = writer
    const onAbort = () => this.#stop(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      this.#checkEarlier()
      const facts = await this.#drain(writer, signal)
      await Promise.all(this.#reading)
      await writer.settled()
      await this.#note()
      // The trees and texts that are left are sealed here; a commit needs the room that a thread takes.
      await this.#parts.workers[Symbol.asyncDispose]()
      return await this.#commit(writer, facts, signal)
    } catch (error) {
      this.#controller.abort(error)
      await Promise.allSettled(this.#reading)
      await writer.settled()
      await this.#keepWhatIsSent(writer)
      throw this.#reason()
    } finally {
      signal.removeEventListener('abort', onAbort)
      for (const lane of this.#lanes) lane.end()
    }
  }

  /** The caller's abort and a lost lock come before whatever broke because of them; after that, what broke first. */
  #reason(): unknown {
    const { options, lock } = this.#parts
    if (options.signal?.aborted === true) return abortError(options.signal, 'storing the backup')
    return lock.lost.aborted ? lock.lost.reason : this.#controller.signal.reason
  }

  #stop(error: unknown): void {
    this.#parts.slabs.stop(error)
    this.#lanesFree.stop(error)
    this.#writer?.stop(error)
  }

  /** What earlier attempts had sent must still be there: its staged files are gone. */
  #checkEarlier(): void {
    const { index, repository } = this.#parts
    for (const file of this.#earlier) {
      const missing = file.content.find((id) => !index.has('data', Buffer.from(id, 'hex')))
      if (missing !== undefined) {
        throw new BackupError(
          `${file.name} of ${file.item} was sent to ${repository.uploader.destination} by an earlier attempt and is gone`,
          {
            code: 'NOT_FOUND',
            hint: 'Somebody pruned the repository meanwhile, or removed packs by hand. Take a new full backup.',
          },
        )
      }
      this.#item(file.item).files.set(file.name, file)
    }
  }

  async #drain(writer: BlobWriter, signal: AbortSignal): Promise<CaptureFacts> {
    let sealed: CaptureFacts | undefined
    for await (const event of abortable(this.#parts.contents.drain({ signal }), 'storing the backup', { signal })) {
      if (event.type === 'sealed') sealed = event.facts
      else await this.#take(event, writer, signal)
    }
    if (sealed === undefined)
      throw new BackupError('the stage ended without being sealed', { code: 'CORRUPTED', hint: 'Run the backup again.' })
    return sealed
  }

  async #take(event: Exclude<StageEvent, { type: 'sealed' }>, writer: BlobWriter, signal: AbortSignal): Promise<void> {
    switch (event.type) {
      case 'file':
        this.#pressed = false
        return this.#takeFile(event.file, writer, signal)
      case 'stream':
        return this.#takeStream(event.file, writer, signal)
      case 'item':
        this.#item(event.item.item).facts = event.item
        return
      case 'item-failed':
        this.#item(event.item).failure = event.failure
        this.#parts.options.onProgress?.({ type: 'item', phase: 'store', item: event.item, state: 'failed' })
        return
      case 'pressure':
        this.#pressed = true
        if (this.#reading.size === 0) writer.send()
    }
  }

  async #takeFile(file: StagedFile, writer: BlobWriter, signal: AbortSignal): Promise<void> {
    assertSafePath(file.name, 'staged file')
    const item = this.#item(file.item)
    if (item.files.has(file.name) || item.failure !== undefined) return file.release()
    const order = this.#orders.next().value
    const known = await this.#parts.known.find(file)
    if (known !== undefined) {
      this.#parts.options.onProgress?.({ type: 'bytes', phase: 'store', item: file.item, bytes: file.size })
      return this.#keep(file, order, known, [])
    }
    await this.#inLane((lane) => this.#readFile(file, order, lane, writer, signal), writer)
  }

  async #takeStream(file: StreamedFile, writer: BlobWriter, signal: AbortSignal): Promise<void> {
    assertSafePath(file.name, 'streamed file')
    const order = this.#orders.next().value
    await this.#inLane((lane) => this.#readStream(file, order, lane, writer, signal), writer)
  }

  /** Resolves once there is a lane for it; what the work meets ends the store. */
  async #inLane(work: (lane: ContentLane) => Promise<void>, writer: BlobWriter): Promise<void> {
    await this.#lanesFree.take(1)
    const lane = this.#lanes.pop() ?? new ContentLane(this.#parts.slabs, this.#parts.workers.contentHasher())
    const reading = work(lane)
      .catch((error: unknown) => this.#controller.abort(error))
      .finally(() => {
        this.#lanes.push(lane)
        this.#lanesFree.give(1)
        this.#reading.delete(reading)
        // Whoever waits for room waits for files that are being read now, and for blobs that are being held back.
        if (this.#pressed && this.#reading.size === 0) writer.send()
      })
    this.#reading.add(reading)
  }

  async #readFile(file: StagedFile, order: number, lane: ContentLane, writer: BlobWriter, signal: AbortSignal): Promise<void> {
    const read: ReadInto = (room) => file.readInto?.(room) ?? copiedInto(file.open(), room)
    const { blobs, ...found } = await this.#cut(file, read, lane, writer, signal)
    assertAsStaged(file, found)
    this.#keep(
      file,
      order,
      // A file of one blob has its checksum for an id: kept once, for as many files as there may be.
      blobs.map(({ id }) => (id === file.sha256 ? file.sha256 : id)),
      blobs.map(({ durable }) => durable),
    )
  }

  /** A file whose content the agent could not give does not exist; the others go on. */
  async #readStream(file: StreamedFile, order: number, lane: ContentLane, writer: BlobWriter, signal: AbortSignal): Promise<void> {
    const { item, name } = file
    try {
      const { blobs, ...facts } = await this.#cut(file, (room) => copiedInto(file.read(), room), lane, writer, signal)
      this.#item(item).files.set(name, { item, name, ...facts, order, content: blobs.map(({ id }) => id) })
      file.accept(facts)
    } catch (error) {
      if (file.failed) return
      file.refuse(error)
      throw error
    }
  }

  async #cut(
    { item, name }: { readonly item: string; readonly name: string },
    read: ReadInto,
    lane: ContentLane,
    writer: BlobWriter,
    signal: AbortSignal,
  ): Promise<SavedContent> {
    return await lane.save(
      (room) => abortable(read(room), `storing ${name} of ${item}`, { signal }),
      writer,
      (bytes) => this.#parts.options.onProgress?.({ type: 'bytes', phase: 'store', item, bytes }),
    )
  }

  /** Lets go of a staged file once all of it is in the store; not waited for, since the pack of its last blob may be sent long after. */
  #keep(file: StagedFile, order: number, content: readonly StorageId[], durable: readonly Promise<void>[]): void {
    const { item, name, size, sha256 } = file
    const stored: StoredFile = { item, name, size, sha256, order, content }
    this.#item(item).files.set(name, stored)
    Promise.all(durable).then(
      () => {
        this.#durable.push({ stored, file })
        this.#noteSoon()
      },
      () => undefined,
    )
  }

  /** One note at a time, with everything that came since the last. */
  #noteSoon(): void {
    this.#noting ??= this.#note()
      .catch((error: unknown) => this.#controller.abort(error))
      .finally(() => {
        this.#noting = undefined
      })
  }

  async #note(): Promise<void> {
    while (this.#durable.length > 0) {
      const files = this.#durable.splice(0)
      await this.#parts.contents.note(storedNote(files.map(({ stored }) => stored)))
      for (const { file } of files) await file.release()
    }
  }

  async #commit(writer: BlobWriter, facts: CaptureFacts, signal: AbortSignal): Promise<Backup> {
    await this.#noting
    throwIfAborted(signal, 'storing the backup')
    const { session, repository, request, lock, options } = this.#parts
    const items = [...this.#items].map(([item, { facts: sealed, failure, files }]) => {
      if (sealed === undefined && failure === undefined)
        throw new TypeError(`item ${item} was neither sealed nor failed when the stage was`)
      return { item, facts: sealed, failure, files: [...files.values()].sort((left, right) => left.order - right.order) }
    })
    const backup = await commitSnapshot({ session, repository, request, lock, writer, facts, items }, { signal })
    for (const { item, failure } of backup.items) {
      if (failure === undefined) options.onProgress?.({ type: 'item', phase: 'store', item, state: 'ended' })
    }
    return backup
  }

  /** The packs that are in the store already go into an index, so that the next run finds them; the reason of the failure is what counts. */
  async #keepWhatIsSent(writer: BlobWriter): Promise<void> {
    if (this.#parts.lock.lost.aborted) return
    await writer.writeIndex({ signal: AbortSignal.timeout(30_000) }).catch(() => undefined)
  }

  #item(item: string): StoringItem {
    let storing = this.#items.get(item)
    if (storing === undefined) {
      storing = { facts: undefined, failure: undefined, files: new Map() }
      this.#items.set(item, storing)
      this.#parts.options.onProgress?.({ type: 'item', phase: 'store', item, state: 'begun' })
    }
    return storing
  }
}

function assertAsStaged(file: StagedFile, found: { readonly sha256: string; readonly size: number }): void {
  if (found.sha256 === file.sha256 && found.size === file.size) return
  throw new BackupError(
    `${file.name} of ${file.item} has ${found.size} bytes and sha256 ${found.sha256}, staged were ${file.size} bytes with ${file.sha256}`,
    {
      code: 'CORRUPTED',
      hint: 'The staged file has changed or its disk is damaged: nothing was stored. Check the disk of the staging directory and run the backup again.',
    },
  )
}

/** The files that come again in a later attempt are those that no earlier one released, in the same order: they fill the gaps. */
function* ordersBeside(taken: ReadonlySet<number>): Generator<number, never> {
  for (let order = 0; ; order++) if (!taken.has(order)) yield order
}
