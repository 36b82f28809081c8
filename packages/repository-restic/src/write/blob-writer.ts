import { hash } from 'node:crypto'
import { BackupError, type OperationOptions } from '@backup-planet/core'
import type { BlobIndex } from '../blob-index/blob-index.ts'
import { sealOverhead } from '../crypto/sealed-bytes.ts'
import type { BlobType } from '../format/pack-header.ts'
import type { StorageId } from '../format/storage-id.ts'
import type { OpenRepository } from '../repository-access.ts'
import { mostBlobBytes, sealBlob } from '../workers/blob-sealing.ts'
import type { BlobWorkers } from '../workers/blob-workers.ts'
import { Allowance } from './allowance.ts'
import type { Chunk } from './file-chunking.ts'
import { IndexWriter } from './index-writer.ts'
import { type BlobForPack, OpenPack } from './open-pack.ts'
import { PackBuffers } from './pack-buffers.ts'
import { sealPack, uploadPack } from './pack-upload.ts'
import { bytesAt, type SlabMemory } from './slab-memory.ts'

/** A blob that was given to the repository. */
export interface SavedBlob {
  readonly id: StorageId
  /** Resolves once it is in the store: its pack was uploaded, now or long ago. */
  readonly durable: Promise<void>
}

export interface BlobWriterSettings {
  readonly repository: OpenRepository
  /** What is stored already; what this writer stores is added. */
  readonly index: BlobIndex
  readonly workers: BlobWorkers
  /** Where chunks lie; left out where none are saved. */
  readonly slabs?: SlabMemory | undefined
  /** A pack is sent when it has this many bytes. */
  readonly packBytes: number
  /** Packs that are put together or sent at once; at least 3. */
  readonly packs: number
  readonly compressionLevel: number
  /** Before every index file that is written; throws where none may be any more. */
  readonly beforeIndex?: (() => Promise<void>) | undefined
  /** Told of the first failure, as soon as there is one: whoever reads files for this writer can stop. */
  readonly onFailure?: ((error: unknown) => void) | undefined
  /** Ends everything. */
  readonly signal: AbortSignal
}

/** Chunks below this are sealed many at a time: handing over one alone takes longer than sealing it. */
const smallBytes = 128 * 1024
const batchBytes = 512 * 1024
const batchBlobs = 256
/** Keeps the header of a pack small where there are only tiny blobs. */
const mostBlobsPerPack = 20_000
/** An index is written at the latest after so many milliseconds, so that what a killed run had sent is found. */
const indexEveryMilliseconds = 10 * 60_000
const types = ['data', 'tree'] as const satisfies readonly BlobType[]

interface PendingBlob {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Batched {
  readonly chunk: Chunk
  readonly id: StorageId
  readonly pending: PendingBlob
}

/**
 * Puts blobs into packs and packs into the store; a blob that is there is not stored again. The order of everything keeps the
 * promise of restic's doc/design.rst, "Read and Write Ordering": packs, then indexes; the snapshot is the caller's, after {@link finish}.
 */
export class BlobWriter {
  readonly #settings: BlobWriterSettings
  readonly #indexes: IndexWriter
  readonly #buffers: PackBuffers
  readonly #transfers: Allowance
  readonly #open: { data: OpenPack<PendingBlob> | undefined; tree: OpenPack<PendingBlob> | undefined } = {
    data: undefined,
    tree: undefined,
  }
  /** Blobs are put into the open pack of their type one after the other. */
  readonly #appending = { data: Promise.resolve(), tree: Promise.resolve() }
  /** By type and id: what is on its way. */
  readonly #pending = { data: new Map<StorageId, PendingBlob>(), tree: new Map<StorageId, PendingBlob>() }
  readonly #work = new Set<Promise<void>>()
  /** The part of the work that ends with a blob in an open pack. */
  readonly #sealing = new Set<Promise<void>>()
  #batch: Batched[] = []
  #batchedBytes = 0
  #failure: { readonly error: unknown } | undefined
  #indexedAt = Date.now()
  #indexing: Promise<void> = Promise.resolve()
  #storedBytes = 0

  constructor(settings: BlobWriterSettings) {
    this.#settings = settings
    this.#indexes = new IndexWriter(settings.repository, settings.beforeIndex)
    this.#buffers = new PackBuffers(settings.packs, settings.packBytes, () => this.#closeWhenStuck())
    this.#transfers = new Allowance(Math.max(1, settings.repository.uploader.supports.concurrency))
  }

  /** Bytes of packs that were sent. */
  get storedBytes(): number {
    return this.#storedBytes
  }

  /** Index files that were written. */
  get indexes(): readonly StorageId[] {
    return this.#indexes.written
  }

  /**
   * Takes over a chunk, whose bytes in the slab are gone afterwards.
   *
   * @param hash how its id is found; called at once, so that the chunks of a content are hashed in the order in which they are given
   */
  async saveChunk(chunk: Chunk, hash: BlobWorkers['hash'] = this.#settings.workers.hash): Promise<SavedBlob> {
    let id: Buffer
    try {
      id = Buffer.from((await this.#tracked(hash({ address: chunk.address, length: chunk.length }))).id)
    } catch (error) {
      chunk.slab.letGo()
      throw error
    }
    return this.#saveNew('data', id, {
      isThere: () => chunk.slab.letGo(),
      save: (pending, hex) => this.#sealChunk({ chunk, id: hex, pending }),
    })
  }

  /** A small blob that lies in memory: a tree, a manifest. */
  async saveBytes(type: BlobType, bytes: Uint8Array): Promise<SavedBlob> {
    if (bytes.byteLength > mostBlobBytes) throw tooLarge(type, bytes.byteLength)
    return this.#saveNew(type, hash('sha256', bytes, 'buffer'), {
      save: (pending, id) =>
        this.#runSealing(async () => {
          const { repository, compressionLevel } = this.#settings
          const { vector, ciphertext, code, uncompressedLength } = sealBlob(repository.key, bytes, Math.max(1, compressionLevel))
          await this.#append(type, { id, uncompressedLength, pieces: [vector, ciphertext, code] }, pending)
        }, [pending]),
    })
  }

  /** A sealed blob as it lies in another pack of this repository. Resolves once its bytes are not needed any more. */
  async saveSealed(type: BlobType, id: StorageId, sealed: Uint8Array, uncompressedLength: number): Promise<void> {
    this.#throwIfFailed()
    await this.#append(type, { id, uncompressedLength, pieces: [sealed] }, undefined)
  }

  /** Seals what is being held back, without sending it: the memory that it lies in is wanted. */
  sealBatch(): void {
    if (this.#batch.length === 0) return
    const batch = this.#batch
    this.#batch = []
    this.#batchedBytes = 0
    this.#seal(batch)
  }

  /** Seals and sends what is being held back, without waiting for it. */
  send(): void {
    this.sealBatch()
    Promise.allSettled(this.#sealing).then(() => {
      if (this.#failure === undefined) this.#closePacks()
    })
  }

  /** Everything that was saved is durable and in an index. Rejects with the first failure. */
  async finish(options: OperationOptions): Promise<void> {
    await this.settled()
    this.#throwIfFailed()
    await this.writeIndex(options)
  }

  /** Everything that was saved is durable, or has failed. */
  async settled(): Promise<void> {
    do {
      if (this.#failure === undefined) this.sealBatch()
      await Promise.allSettled(this.#sealing)
      await Promise.allSettled(Object.values(this.#appending))
      if (this.#failure === undefined) this.#closePacks()
      await Promise.allSettled(this.#work)
    } while (this.#work.size > 0 || (this.#failure === undefined && (this.#batch.length > 0 || types.some((type) => this.#open[type]))))
    // What comes after it is little: the trees of the files, and texts that take room of their own.
    this.#buffers.release()
  }

  /** Writes down which packs are stored, also when nothing else will come of this run, so that the next one finds them. */
  async writeIndex(options: OperationOptions): Promise<void> {
    await this.#indexing.catch(() => undefined)
    await this.#indexes.write(options)
  }

  /** Nothing begins any more, and everybody who waits hears of `error`. */
  stop(error: unknown): void {
    this.#fail(error)
  }

  #saveNew(
    type: BlobType,
    id: Buffer,
    { save, isThere }: { readonly save: (pending: PendingBlob, id: StorageId) => void; readonly isThere?: () => void },
  ): SavedBlob {
    const hex = id.toString('hex')
    const known = this.#settings.index.has(type, id) ? Promise.resolve() : this.#pending[type].get(hex)?.promise
    if (known !== undefined || this.#failure !== undefined) isThere?.()
    this.#throwIfFailed()
    if (known !== undefined) return { id: hex, durable: known }
    const pending = Promise.withResolvers<void>()
    // Who waits hears of it; that nobody does must not end the process.
    pending.promise.catch(() => undefined)
    this.#pending[type].set(hex, pending)
    save(pending, hex)
    return { id: hex, durable: pending.promise }
  }

  #sealChunk(batched: Batched): void {
    if (batched.chunk.length >= smallBytes) {
      this.#seal([batched])
      return
    }
    this.#batch.push(batched)
    this.#batchedBytes += batched.chunk.length
    // Nothing is held back while somebody waits for the memory that it lies in.
    if (this.#batchedBytes >= batchBytes || this.#batch.length >= batchBlobs || this.#settings.slabs?.wanted) this.sealBatch()
  }

  #seal(batch: readonly Batched[]): void {
    const { workers, slabs } = this.#settings
    if (slabs === undefined) throw new TypeError('chunks are saved and there is no memory that they could lie in')
    this.#runSealing(
      async () => {
        try {
          const { blobs, ends } = await workers.seal(batch.map(({ chunk: { address, length } }) => ({ address, length })))
          for (const [at, { id, chunk, pending }] of batch.entries()) {
            const { length = 0, uncompressedLength = 0 } = blobs[at] ?? {}
            const [vector, code] = endsOf(ends, at)
            await this.#append('data', { id, uncompressedLength, pieces: [vector, bytesAt(slabs, chunk.address, length), code] }, pending)
          }
        } finally {
          for (const { chunk } of batch) chunk.slab.letGo()
        }
      },
      batch.map(({ pending }) => pending),
    )
  }

  #append(type: BlobType, blob: BlobForPack, pending: PendingBlob | undefined): Promise<void> {
    const append = async (): Promise<void> => {
      this.#throwIfFailed()
      const bytes = blob.pieces.reduce((sum, piece) => sum + piece.byteLength, 0)
      if (this.#open[type]?.hasRoom(bytes) === false) this.#closePack(type)
      const pack = this.#open[type] ?? new OpenPack(type, await this.#buffers.take(bytes))
      this.#throwIfFailed()
      this.#open[type] = pack
      pack.add(blob)
      if (pending !== undefined) pack.waiting.push(pending)
      if (pack.bytes >= this.#settings.packBytes || pack.blobs.length >= mostBlobsPerPack) this.#closePack(type)
    }
    const appended = this.#appending[type].then(append)
    this.#appending[type] = appended.catch(() => undefined)
    return appended
  }

  #closePacks(): void {
    for (const type of types) this.#closePack(type)
  }

  #closePack(type: BlobType): void {
    const pack = this.#open[type]
    if (pack === undefined) return
    this.#open[type] = undefined
    this.#run(() => this.#sendPack(pack), pack.waiting)
  }

  async #sendPack(open: OpenPack<PendingBlob>): Promise<void> {
    const { repository, index, signal } = this.#settings
    try {
      await this.#transfers.take(1)
      try {
        const pack = sealPack(repository.key, open.blobs, open.content)
        await uploadPack(repository.uploader, pack, { signal })
        this.#storedBytes += pack.size
        this.#indexes.add(pack)
        const number = index.addPack(pack.id)
        for (const blob of pack.blobs) {
          index.add(number, open.type, Buffer.from(blob.id, 'hex'), blob.offset, blob.length, blob.uncompressedLength)
          this.#pending[open.type].delete(blob.id)
        }
        for (const { resolve } of open.waiting) resolve()
      } finally {
        this.#transfers.give(1)
      }
    } finally {
      this.#buffers.give(open.buffer)
    }
    if (!this.#indexes.full && Date.now() - this.#indexedAt < indexEveryMilliseconds) return
    this.#indexedAt = Date.now()
    this.#indexing = this.#indexing.then(() => this.#indexes.write({ signal }))
    await this.#indexing
  }

  /** Every buffer is taken: where none is being sent, none would ever come free. */
  #closeWhenStuck(): void {
    if (this.#transfers.free === this.#transfers.total) this.#closePacks()
  }

  #runSealing(work: () => Promise<void>, pending: readonly PendingBlob[]): void {
    const sealing = this.#run(work, pending)
    this.#sealing.add(sealing)
    sealing.finally(() => this.#sealing.delete(sealing))
  }

  #run(work: () => Promise<void>, pending: readonly PendingBlob[]): Promise<void> {
    const running = work().catch((error: unknown) => {
      for (const { reject } of pending) reject(error)
      this.#fail(error)
    })
    return this.#tracked(running)
  }

  #tracked<Value>(work: Promise<Value>): Promise<Value> {
    const done: Promise<void> = work.then(
      () => undefined,
      (error: unknown) => this.#fail(error),
    )
    this.#work.add(done)
    done.finally(() => this.#work.delete(done))
    return work
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = { error }
    this.#buffers.stop(error)
    this.#transfers.stop(error)
    for (const { chunk } of this.#batch.splice(0)) chunk.slab.letGo()
    for (const blobs of Object.values(this.#pending)) for (const { reject } of blobs.values()) reject(error)
    this.#settings.onFailure?.(error)
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

/** What could be written and not read again must not be written. */
function tooLarge(type: BlobType, bytes: number): BackupError {
  return new BackupError(`a ${type} blob would have ${bytes} bytes, more than the ${mostBlobBytes} that can be read again`, {
    code: 'UNSUPPORTED',
    hint: 'Too many files lie in one folder of an item: split the job into several with fewer items or files each.',
  })
}

function endsOf(ends: Uint8Array, at: number): readonly [Uint8Array, Uint8Array] {
  const middle = at * sealOverhead + sealOverhead / 2
  return [ends.subarray(at * sealOverhead, middle), ends.subarray(middle, (at + 1) * sealOverhead)]
}
