import { lstat, unlink } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { type BackupError, type OperationOptions, throwIfAborted } from '@backup-planet/core'
import { plainLength, readLocatedBlob, readPlacedBlob, unlessDamaged } from '../read/blob-reader.ts'
import { spanOf } from '../read/blob-runs.ts'
import type { OpenRepository } from '../repository-access.ts'
import { objectKey, readRange } from '../repository-objects.ts'
import { isDamage } from '../restic-errors.ts'
import type { ResticSession } from '../restic-session.ts'
import type { BlobWorkers } from '../workers/blob-workers.ts'
import { pathBytes, type WriteTarget, writeTargets, writeWholeFile } from '../workers/target-writing.ts'
import { Allowance } from '../write/allowance.ts'
import { type BlobOutcome, filesWritten, firstFailure } from './blob-outcomes.ts'
import { extractionError } from './extraction-errors.ts'
import { type PlannedBlob, type PlannedFile, type PlannedTarget, planContent, plannedRuns } from './planned-content.ts'
import { UnfinishedFiles } from './unfinished-files.ts'

export interface ContentWritingParts {
  readonly session: ResticSession
  readonly repository: OpenRepository
  /** Belong to the writing from then on: when they fail, only their end tells that they write no more. */
  readonly workers: readonly BlobWorkers[]
  readonly options: OperationOptions
  /** A file is whole. What it throws ends the writing. */
  readonly onWhole: (file: PlannedFile) => void
}

/** What is read and not yet written: sealed bytes, with the largest plaintext of each run. */
const bytesAtOnce = 32 * 1024 ** 2
/** What a target counts beside: reading small files is faster than writing them, and what is known of each takes memory until it is written. */
const targetBytes = 16 * 1024
/** So few targets that an abort is heard soon, and that the files of one run are no burden for a thread. */
const runLimits = { bytes: 4 * 1024 ** 2, targets: 128 }
/** A process may have few files open; a batch with more of several blobs than these has all there are for itself. */
const mostOpenFiles = 128
/** Written in this thread, which has others to serve. */
const emptyFilesInOneTurn = 64
const during = 'extracting the snapshot'

/**
 * Writes the content of files: runs of packs are read here, a few at a time, and worker threads open their blobs and write them. After
 * the first failure nothing begins any more. Disposing waits for what still runs, and removes every file that did not become whole.
 */
export class ContentWriting implements AsyncDisposable {
  readonly #parts: ContentWritingParts
  readonly #options: OperationOptions
  readonly #ended = new AbortController()
  readonly #transfers: Allowance
  readonly #memory = new Allowance(bytesAtOnce)
  readonly #openFiles = new Allowance(mostOpenFiles)
  readonly #unfinished = new UnfinishedFiles()
  /** Files of jobs that a worker never answered. */
  readonly #unknown: PlannedFile[] = []
  readonly #running = new Set<Promise<void>>()
  readonly #begunMilliseconds = Date.now()
  #failure: { readonly error: unknown } | undefined

  constructor(parts: ContentWritingParts) {
    const { signal } = parts.options
    this.#parts = parts
    this.#options = { signal: signal === undefined ? this.#ended.signal : AbortSignal.any([signal, this.#ended.signal]) }
    this.#transfers = new Allowance(Math.max(1, parts.repository.uploader.supports.concurrency))
  }

  /** Resolves once the last of them is being read. Throws what broke anything until then. */
  async begin(files: readonly PlannedFile[], workers: BlobWorkers): Promise<void> {
    await this.#openFiles.take(files.filter((file) => !isWrittenAtOnce(file)).length)
    await this.#writeEmpty(files.filter(({ blobs }) => blobs.length === 0))
    for (const run of plannedRuns(planContent(files), runLimits)) {
      const bytes = bytesOf(run)
      await this.#memory.take(bytes)
      await this.#transfers.take(1)
      this.#throwIfOver()
      const running = this.#writeRun(run, workers, this.#parts.session)
        .catch((error: unknown) => this.#fail(error))
        .finally(() => {
          this.#memory.give(bytes)
          this.#running.delete(running)
        })
      this.#running.add(running)
    }
  }

  /** Resolves once everything that was begun is written. Throws what broke anything. */
  async written(): Promise<void> {
    await Promise.all(this.#running)
    this.#throwIfOver()
    this.#unfinished.assertNone()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(new Error('nothing is written any more'))
    await Promise.all(this.#running)
    for (const workers of this.#parts.workers) await workers[Symbol.asyncDispose]()
    await this.#unfinished.removeAll()
    for (const file of this.#unknown) await removeUnlessWhole(file, this.#begunMilliseconds - clockMilliseconds)
  }

  #throwIfOver(): void {
    if (this.#failure !== undefined) throw this.#failure.error
    throwIfAborted(this.#parts.options.signal, during)
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = { error }
    this.#ended.abort(error)
    this.#memory.stop(error)
    this.#openFiles.stop(error)
    this.#transfers.stop(error)
  }

  async #writeEmpty(files: readonly PlannedFile[]): Promise<void> {
    for (const [at, file] of files.entries()) {
      if (at % emptyFilesInOneTurn === 0) await nextTurn()
      this.#throwIfOver()
      const path = pathBytes(file)
      try {
        writeWholeFile(path, Buffer.of(), file.facts)
      } catch (error) {
        throw extractionError(error, path)
      }
      this.#parts.onWhole(file)
    }
  }

  /** One transfer was taken for it. */
  async #writeRun(run: readonly PlannedBlob[], workers: BlobWorkers, session: ResticSession | undefined): Promise<void> {
    const [first] = run
    if (first === undefined) return
    const { begin, length } = spanOf(run)
    let read: Buffer | BackupError
    try {
      read = await readRange(this.#parts.repository.uploader, objectKey('data', first.location.pack), begin, length, this.#options)
    } catch (error) {
      if (!isDamage(error)) throw error
      if (error.code === 'CORRUPTED') return await this.#writeOneByOne(run, session)
      read = error
    } finally {
      this.#transfers.give(1)
    }
    if (Buffer.isBuffer(read)) await this.#extract(run, begin, read, workers)
    else if (session !== undefined) await this.#writeMoved(run, workers, session, read)
    else throwFirst(run, Array<BlobOutcome>(run.length).fill(read))
  }

  /** Once more, from where the blobs of a pack lie now that is gone. */
  async #writeMoved(run: readonly PlannedBlob[], workers: BlobWorkers, session: ResticSession, gone: BackupError): Promise<void> {
    const moved: PlannedBlob[] = []
    const outcomes: BlobOutcome[] = []
    for (const blob of run) {
      const location = await session.relocate(blob.id, blob.location, this.#options).catch(unlessDamaged)
      const isAsPlanned = location !== undefined && plainLength(location) === plainLength(blob.location)
      if (isAsPlanned) moved.push({ ...blob, location })
      outcomes.push(isAsPlanned ? undefined : location === undefined ? gone : otherLength(blob, plainLength(location)))
    }
    for (const part of plannedRuns(moved, runLimits)) {
      await this.#transfers.take(1)
      await this.#writeRun(part, workers, undefined)
    }
    throwFirst(run, outcomes)
  }

  /** From a pack that is cut: what lies before the cut can be read, and the rest where it lies elsewhere too. Rare, so not by a worker. */
  async #writeOneByOne(run: readonly PlannedBlob[], session: ResticSession | undefined): Promise<void> {
    const { repository } = this.#parts
    const descriptors = await this.#descriptorsFor(run)
    const outcomes: BlobOutcome[] = []
    for (const blob of run) {
      try {
        const { id, location, targets } = blob
        const plaintext =
          session === undefined
            ? await readLocatedBlob(repository, id, location, this.#options)
            : await readPlacedBlob(session, blob, this.#options)
        const isAsPlanned = plaintext.byteLength === plainLength(location)
        outcomes.push(isAsPlanned ? writeTargets(plaintext, writeTargetsOf(targets, descriptors)) : otherLength(blob, plaintext.byteLength))
      } catch (error) {
        if (!isDamage(error)) throw error
        outcomes.push(error)
      }
    }
    await this.#account(run, outcomes)
  }

  /** @param begin of the bytes in the pack */
  async #extract(run: readonly PlannedBlob[], begin: number, bytes: Uint8Array, workers: BlobWorkers): Promise<void> {
    const descriptors = await this.#descriptorsFor(run)
    // Without threads it is this one that waits for the disk: between two jobs others have their turn, and whoever aborts.
    if (workers.threads === 0) await nextTurn()
    this.#throwIfOver()
    const regions = run.map(({ id, location: { offset, length, uncompressedLength }, targets }) => ({
      ...{ id, offset: offset - begin, length, uncompressedLength },
      targets: writeTargetsOf(targets, descriptors),
    }))
    const { outcomes } = await workers.extract(bytes, regions).catch((error: unknown) => {
      for (const { targets } of run) for (const { file } of targets) if (isWrittenAtOnce(file)) this.#unknown.push(file)
      throw error
    })
    await this.#account(run, outcomes)
  }

  async #descriptorsFor(run: readonly PlannedBlob[]): Promise<ReadonlyMap<PlannedFile, number>> {
    const descriptors = new Map<PlannedFile, number>()
    for (const { targets } of run) {
      for (const { file } of targets) {
        if (isWrittenAtOnce(file) || descriptors.has(file)) continue
        descriptors.set(file, await this.#unfinished.descriptorOf(file).catch((error: unknown) => throwAsExtraction(error, file)))
      }
    }
    return descriptors
  }

  /** Tells of the files that are whole now. Throws what broke one of the blobs. */
  async #account(run: readonly PlannedBlob[], outcomes: readonly BlobOutcome[]): Promise<void> {
    if (outcomes.length !== run.length) throw new TypeError(`${run.length} blobs were given, and ${outcomes.length} were answered`)
    for (const [at, blob] of run.entries()) {
      for (const file of filesWritten(blob, outcomes[at])) {
        if (isWrittenAtOnce(file)) this.#parts.onWhole(file)
        else await this.#wrotePart(file)
      }
    }
    throwFirst(run, outcomes)
  }

  async #wrotePart(file: PlannedFile): Promise<void> {
    const isWhole = await this.#unfinished.wrote(file).catch((error: unknown) => throwAsExtraction(error, file))
    if (!isWhole) return
    this.#openFiles.give(1)
    this.#parts.onWhole(file)
  }
}

/** What a run takes of memory: a worker has one plaintext at a time. */
function bytesOf(run: readonly PlannedBlob[]): number {
  const targets = run.reduce((sum, blob) => sum + blob.targets.length, 0)
  return spanOf(run).length + Math.max(...run.map(({ location }) => plainLength(location))) + targets * targetBytes
}

function isWrittenAtOnce({ blobs }: PlannedFile): boolean {
  return blobs.length <= 1
}

function writeTargetsOf(targets: readonly PlannedTarget[], descriptors: ReadonlyMap<PlannedFile, number>): WriteTarget[] {
  return targets.map(({ file, position }) => {
    const descriptor = descriptors.get(file)
    return descriptor === undefined ? { path: file.path, ...file.facts } : { descriptor, position }
  })
}

/** The places of everything behind it in its files were counted with the length that the index had told. */
function otherLength({ location }: PlannedBlob, bytes: number): string {
  return `it has ${bytes} bytes, and the index says ${plainLength(location)}`
}

function throwFirst(run: readonly PlannedBlob[], outcomes: readonly BlobOutcome[]): void {
  const failure = firstFailure(run, outcomes)
  if (failure !== undefined) throw failure.error
}

function throwAsExtraction(error: unknown, file: PlannedFile): never {
  throw extractionError(error, pathBytes(file))
}

/**
 * Content is written before anything else, so a file of the whole length has all of it. One that does not look as we leave an unfinished
 * one, only for us and just written, is of somebody else.
 */
async function removeUnlessWhole(file: PlannedFile, begunMilliseconds: number): Promise<void> {
  const path = pathBytes(file)
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined || !found.isFile() || found.size >= file.size) return
  const looksUnfinished = process.platform === 'win32' || (found.mode & 0o777) === 0o600
  if (looksUnfinished && found.mtimeMs >= begunMilliseconds) await unlink(path).catch(() => undefined)
}

/** What file systems and clocks are off by. */
const clockMilliseconds = 2000
