import { BackupError, type OperationOptions } from '@backup-planet/core'
import type { BlobType } from '../format/pack-header.ts'
import type { StorageId } from '../format/storage-id.ts'
import type { OpenRepository } from '../repository-access.ts'
import type { PlacedBlob } from '../repository-index.ts'
import { objectKey, readRange } from '../repository-objects.ts'
import { damaged, isDamage } from '../restic-errors.ts'
import type { ResticSession } from '../restic-session.ts'
import { openBlob } from '../workers/blob-sealing.ts'
import { type BlobWorkers, createBlobWorkers, createInlineBlobWorkers } from '../workers/blob-workers.ts'
import { Allowance } from '../write/allowance.ts'
import { runsOf, spanOf } from './blob-runs.ts'

/** A blob to be read, with where it lies. */
export interface WantedBlob {
  readonly id: StorageId
  readonly location: PlacedBlob
}

/** Bytes of the plaintext. */
export function plainLength({ length, uncompressedLength }: Pick<PlacedBlob, 'length' | 'uncompressedLength'>): number {
  return uncompressedLength > 0 ? uncompressedLength : length - 32
}

/** One blob, checked. Throws `CORRUPTED` that names the pack. */
export async function readBlob(session: ResticSession, type: BlobType, id: StorageId, options: OperationOptions): Promise<Buffer> {
  return readPlacedBlob(session, { id, location: await session.locate(type, id, options) }, options)
}

/** The same where it is known where the blob lies, or lay before somebody pruned. */
export async function readPlacedBlob(session: ResticSession, { id, location }: WantedBlob, options: OperationOptions): Promise<Buffer> {
  const repository = await session.open(options)
  try {
    return await readLocatedBlob(repository, id, location, options)
  } catch (error) {
    if (!isDamage(error)) throw error
    const now = await session.relocate(id, location, options).catch(unlessDamaged)
    if (now === undefined) throw error
    return await readLocatedBlob(repository, id, now, options)
  }
}

/** Nobody knows of another place: what was wrong with the first one is what counts. */
export function unlessDamaged(error: unknown): undefined {
  if (!isDamage(error)) throw error
}

export async function readLocatedBlob(
  repository: OpenRepository,
  id: StorageId,
  location: PlacedBlob,
  options: OperationOptions,
): Promise<Buffer> {
  const key = objectKey('data', location.pack)
  const sealed = await readRange(repository.uploader, key, location.offset, location.length, options)
  try {
    return openBlob(repository.key, sealed, id, location.uncompressedLength)
  } catch (error) {
    throw damagedBlob(location, id, (error as Error).message)
  }
}

/** What is wrong with a blob, told with where it lies. */
export function damagedBlob({ pack, type, offset }: PlacedBlob, id: StorageId, reason: string): BackupError {
  return damaged(objectKey('data', pack), `${type} blob ${id.slice(0, 16)} at ${offset}: ${reason}`)
}

/** How far reading may be ahead of who takes the bytes, sealed and plain. */
const aheadBytes = 32 * 1024 ** 2
/** Sealed and plain, since what compresses well is large only once it is opened. */
const segmentBytes = 16 * 1024 ** 2
const segmentBlobs = 512
/** Starting threads pays off from here on, in bytes of plaintext. */
export const inlineBytes = 8 * 1024 ** 2

/**
 * Gives the plaintexts of blobs in order, while the next ones are already read and opened in worker threads: blobs that lie together
 * in a pack are read together. Throws `CORRUPTED` at the place of a damaged one.
 */
export async function* readBlobs(
  session: ResticSession,
  wanted: readonly WantedBlob[],
  options: OperationOptions,
): AsyncGenerator<Uint8Array, void> {
  const repository = await session.open(options)
  const total = wanted.reduce((sum, { location }) => sum + plainLength(location), 0)
  const data = { key: repository.key, memory: undefined, compressionLevel: 0 }
  await using workers = total > inlineBytes ? createBlobWorkers(data, session.settings.threads) : createInlineBlobWorkers(data)
  yield* new ReadAhead(repository, workers, options, session).read(wanted)
}

interface Opening {
  readonly bytes: number
  readonly plaintext: Promise<Uint8Array>
}

/** One stream over the many files of a backup, so that the threads start once. */
export class ReadAhead {
  readonly #repository: OpenRepository
  readonly #workers: BlobWorkers
  readonly #options: OperationOptions
  readonly #transfers: Allowance
  readonly #ended = new AbortController()
  readonly #session: ResticSession | undefined

  /** @param session knows where blobs are whose pack is gone when it is read; left out where nobody else may prune meanwhile */
  constructor(repository: OpenRepository, workers: BlobWorkers, { signal }: OperationOptions, session?: ResticSession) {
    this.#session = session
    this.#repository = repository
    this.#workers = workers
    this.#options = { signal: signal === undefined ? this.#ended.signal : AbortSignal.any([signal, this.#ended.signal]) }
    this.#transfers = new Allowance(Math.max(1, repository.uploader.supports.concurrency))
  }

  /**
   * Once; what is still being read when nobody takes it any more is aborted. Of `wanted` no more is taken than is read ahead, and what it
   * throws is thrown behind the blobs that came before.
   */
  async *read(wanted: Iterable<WantedBlob> | AsyncIterable<WantedBlob>): AsyncGenerator<Uint8Array, void> {
    const segments = segmentsOf(wanted)
    const ahead: Opening[] = []
    let bytesAhead = 0
    let ended = false
    try {
      while (true) {
        while (!ended && bytesAhead < aheadBytes) {
          const next = await segments.next()
          if (next.done === true) {
            ended = true
            break
          }
          if ('failure' in next.value) {
            const plaintext = Promise.reject(next.value.failure)
            plaintext.catch(() => undefined)
            ahead.push({ bytes: 0, plaintext })
            ended = true
            break
          }
          for (const opening of this.#begin(next.value)) {
            ahead.push(opening)
            bytesAhead += opening.bytes
          }
        }
        const first = ahead.shift()
        if (first === undefined) return
        yield await first.plaintext
        bytesAhead -= first.bytes
      }
    } finally {
      const reason = new Error('nobody reads any more')
      this.#ended.abort(reason)
      this.#transfers.stop(reason)
      await Promise.allSettled(ahead.map(({ plaintext }) => plaintext))
    }
  }

  /** Reads the runs of a segment, and promises its blobs in their order. */
  #begin(segment: readonly WantedBlob[]): Opening[] {
    const openings = new Map<WantedBlob, Promise<Uint8Array>>()
    for (const run of runsOf(segment)) {
      const opened = this.#openRun(run, this.#session)
      for (const [at, blob] of run.entries()) {
        const plaintext = opened.then((plaintexts) => {
          const found = plaintexts[at]
          if (found instanceof Uint8Array) return found
          throw found instanceof Error ? found : damagedBlob(blob.location, blob.id, found ?? 'it is missing')
        })
        plaintext.catch(() => undefined)
        openings.set(blob, plaintext)
      }
    }
    return segment.map((blob) => ({
      bytes: plainLength(blob.location) + blob.location.length,
      plaintext: openings.get(blob) ?? Promise.reject(new TypeError('a blob of the segment is in no run')),
    }))
  }

  /** In the order of the run: the plaintexts, or what is wrong. */
  async #openRun(run: readonly WantedBlob[], session: ResticSession | undefined): Promise<readonly (Uint8Array | string | BackupError)[]> {
    const [first] = run
    if (first === undefined) return []
    const { begin, length } = spanOf(run)
    await this.#transfers.take(1)
    let bytes: Buffer | BackupError
    try {
      bytes = await readRange(this.#repository.uploader, objectKey('data', first.location.pack), begin, length, this.#options)
    } catch (error) {
      if (!BackupError.is(error)) throw error
      if (error.code === 'CORRUPTED') return await this.#openOneByOne(run, session)
      if (error.code !== 'NOT_FOUND') throw error
      bytes = error
    } finally {
      this.#transfers.give(1)
    }
    if (BackupError.is(bytes)) {
      if (session === undefined) throw bytes
      return await this.#openMoved(run, session, bytes)
    }
    const blobs = run.map(({ id, location }) => ({
      id,
      offset: location.offset - begin,
      length: location.length,
      uncompressedLength: location.uncompressedLength,
    }))
    return (await this.#workers.open(bytes, blobs)).blobs
  }

  /** Once more, from where the blobs of a pack lie now that is gone. */
  async #openMoved(run: readonly WantedBlob[], session: ResticSession, gone: BackupError): Promise<(Uint8Array | string | BackupError)[]> {
    const opened = new Map<StorageId, Uint8Array | string | BackupError>()
    const moved: WantedBlob[] = []
    for (const { id, location } of run) {
      const now = await session.relocate(id, location, this.#options).catch(unlessDamaged)
      if (now === undefined) opened.set(id, gone)
      else moved.push({ id, location: now })
    }
    for (const part of runsOf(moved)) {
      const blobs = await this.#openRun(part, undefined)
      for (const [at, { id }] of part.entries()) opened.set(id, blobs[at] ?? 'it is missing')
    }
    return run.map(({ id }) => opened.get(id) ?? gone)
  }

  /** From a pack that is cut: what lies before the cut can be read, and the rest where it lies elsewhere too. */
  async #openOneByOne(run: readonly WantedBlob[], session: ResticSession | undefined): Promise<(Uint8Array | BackupError)[]> {
    const opened: (Uint8Array | BackupError)[] = []
    for (const { id, location } of run) {
      try {
        opened.push(
          session === undefined
            ? await readLocatedBlob(this.#repository, id, location, this.#options)
            : await readPlacedBlob(session, { id, location }, this.#options),
        )
      } catch (error) {
        if (!isDamage(error)) throw error
        opened.push(error)
      }
    }
    return opened
  }
}

/** What breaks `wanted` comes last, behind the blobs that it gave before. */
async function* segmentsOf(
  wanted: Iterable<WantedBlob> | AsyncIterable<WantedBlob>,
): AsyncGenerator<WantedBlob[] | { readonly failure: unknown }, void> {
  let segment: WantedBlob[] = []
  let bytes = 0
  let failed: { readonly failure: unknown } | undefined
  try {
    for await (const blob of wanted) {
      segment.push(blob)
      bytes += blob.location.length + plainLength(blob.location)
      if (bytes < segmentBytes && segment.length < segmentBlobs) continue
      yield segment
      segment = []
      bytes = 0
    }
  } catch (failure) {
    failed = { failure }
  }
  if (segment.length > 0) yield segment
  if (failed !== undefined) yield failed
}
