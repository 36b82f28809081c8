import { hash } from 'node:crypto'
import type { OperationOptions } from '@backup-planet/core'
import type { BlobIndex } from '../blob-index/blob-index.ts'
import type { BlobType, PackedBlob } from '../format/pack-header.ts'
import type { StorageId } from '../format/storage-id.ts'
import type { OpenRepository } from '../repository-access.ts'
import { sealBlob } from '../workers/blob-sealing.ts'
import type { BlobWorkers } from '../workers/blob-workers.ts'
import { Allowance } from './allowance.ts'
import type { Chunk } from './file-chunking.ts'
import { IndexWriter } from './index-writer.ts'
import { sealPack, uploadPack } from './pack-upload.ts'

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
  /** A pack is sent when it has this many bytes. */
  readonly packBytes: number
  /** For sealed blobs that wait for their pack to be sent; at least four packs. */
  readonly memoryBytes: number
  readonly compressionLevel: number
  /** Told of every pack once it is in the store, and before anything that it holds counts as durable. */
  readonly onPack?: ((pack: StorageId) => void) | undefined
  /** Somebody waits for the memory that chunks lie in: none may be held back. */
  readonly memoryWanted?: (() => boolean) | undefined
  /** Ends everything. */
  readonly signal: AbortSignal
}

/** Chunks below this are sealed many at a time: handing over one alone takes longer than sealing it. */
const smallBytes = 128 * 1024
const batchBytes = 512 * 1024
const batchBlobs = 256
/** Sealing adds to a blob; the authentication code, the vector, and its entry in the header. */
const overheadBytes = 128
/** An index is written at the latest after so many milliseconds, so that what a killed run had sent is found. */
const indexEveryMilliseconds = 10 * 60_000

interface Batched {
  readonly chunk: Chunk
  readonly id: Buffer
  readonly pending: PendingBlob
}

interface PendingBlob {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Puts blobs into packs and packs into the store; a blob that is there is not stored again. The order of everything keeps the
 * promise of restic's doc/design.rst, "Read and Write Ordering": packs, then indexes; the snapshot is the caller's, after {@link finish}.
 */
export class BlobWriter {
  readonly #settings: BlobWriterSettings
  readonly #indexes: IndexWriter
  readonly #memory: Allowance
  readonly #transfers: Allowance
  readonly #open = { data: new OpenPack(), tree: new OpenPack() }
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
  #newBlobs = 0

  constructor(settings: BlobWriterSettings) {
    this.#settings = settings
    this.#indexes = new IndexWriter(settings.repository)
    this.#memory = new Allowance(settings.memoryBytes, () => this.#sendWhenStuck())
    this.#transfers = new Allowance(Math.max(1, settings.repository.uploader.supports.concurrency))
  }

  /** Bytes of packs that were sent. */
  get storedBytes(): number {
    return this.#storedBytes
  }

  /** Blobs that were not there before. */
  get newBlobs(): number {
    return this.#newBlobs
  }

  /** Index files that were written. */
  get indexes(): readonly StorageId[] {
    return this.#indexes.written
  }

  /** Takes over a chunk of a file; `id` where it is known already. Everything that can fail is told by {@link finish} too. */
  saveChunk(chunk: Chunk, id: Buffer | undefined): Promise<SavedBlob> {
    if (id !== undefined) return Promise.resolve(this.#saveData(chunk, id))
    return this.#tracked(this.#settings.workers.hash({ address: chunk.address, length: chunk.length })).then(
      (hashed) => this.#saveData(chunk, Buffer.from(hashed.id)),
      (error: unknown) => {
        chunk.slab.letGo()
        throw error
      },
    )
  }

  /** A small blob that lies in memory: a tree, a manifest. */
  async saveBytes(type: BlobType, bytes: Uint8Array): Promise<SavedBlob> {
    const id = hash('sha256', bytes, 'buffer')
    const { index, repository, compressionLevel } = this.#settings
    return this.#saveNew(type, id, index, (pending) =>
      this.#runSealing(async () => {
        await this.#memory.take(bytes.byteLength + overheadBytes)
        const { sealed, uncompressedLength } = sealBlob(repository.key, bytes, Math.max(1, compressionLevel))
        this.#memory.give(bytes.byteLength + overheadBytes - sealed.byteLength)
        this.#append(type, { id: id.toString('hex'), sealed, uncompressedLength, pending })
      }, [pending]),
    )
  }

  /** A sealed blob as it lies in another pack of this repository. */
  async saveSealed(type: BlobType, id: StorageId, sealed: Uint8Array, uncompressedLength: number): Promise<void> {
    this.#throwIfFailed()
    await this.#memory.take(sealed.byteLength)
    this.#append(type, { id, sealed, uncompressedLength, pending: undefined })
    await this.#transferring()
  }

  /** Seals and sends what is being held back, without waiting for it. */
  send(): void {
    this.#sealBatch()
    Promise.allSettled(this.#sealing).then(() => {
      if (this.#failure === undefined) for (const type of ['data', 'tree'] as const) this.#closePack(type)
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
    while (this.#work.size > 0 || this.#batch.length > 0 || !this.#open.data.empty || !this.#open.tree.empty) {
      if (this.#failure === undefined) this.#sealBatch()
      await Promise.allSettled(this.#sealing)
      if (this.#failure === undefined) for (const type of ['data', 'tree'] as const) this.#closePack(type)
      if (this.#work.size === 0) return
      await Promise.allSettled(this.#work)
    }
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

  #saveData(chunk: Chunk, id: Buffer): SavedBlob {
    return this.#saveNew(
      'data',
      id,
      this.#settings.index,
      (pending) => {
        const batched = { chunk, id, pending }
        if (chunk.length >= smallBytes) return this.#seal([batched])
        this.#batch.push(batched)
        this.#batchedBytes += chunk.length
        if (this.#batchedBytes >= batchBytes || this.#batch.length >= batchBlobs || this.#settings.memoryWanted?.()) this.#sealBatch()
      },
      () => chunk.slab.letGo(),
    )
  }

  #saveNew(
    type: BlobType,
    idBytes: Buffer,
    index: BlobIndex,
    begin: (pending: PendingBlob) => void,
    isThere: () => void = () => undefined,
  ): SavedBlob {
    this.#throwIfFailed()
    const id = idBytes.toString('hex')
    if (index.has(type, idBytes)) {
      isThere()
      return { id, durable: Promise.resolve() }
    }
    const known = this.#pending[type].get(id)
    if (known !== undefined) {
      isThere()
      return { id, durable: known.promise }
    }
    const pending = Promise.withResolvers<void>()
    // Who waits hears of it; that nobody does must not end the process.
    pending.promise.catch(() => undefined)
    this.#pending[type].set(id, pending)
    this.#newBlobs++
    begin(pending)
    return { id, durable: pending.promise }
  }

  #sealBatch(): void {
    if (this.#batch.length === 0) return
    const batch = this.#batch
    this.#batch = []
    this.#batchedBytes = 0
    this.#seal(batch)
  }

  #seal(batch: readonly Batched[]): void {
    this.#runSealing(
      async () => {
        const wanted = batch.reduce((sum, { chunk }) => sum + chunk.length + overheadBytes, 0)
        try {
          await this.#memory.take(wanted)
          const { sealed, blobs } = await this.#settings.workers.seal(batch.map(({ chunk: { address, length } }) => ({ address, length })))
          this.#memory.give(wanted - sealed.byteLength)
          let offset = 0
          for (const [at, { id, pending }] of batch.entries()) {
            const { length = 0, uncompressedLength = 0 } = blobs[at] ?? {}
            this.#append('data', { id: id.toString('hex'), sealed: sealed.subarray(offset, offset + length), uncompressedLength, pending })
            offset += length
          }
        } finally {
          for (const { chunk } of batch) chunk.slab.letGo()
        }
      },
      batch.map(({ pending }) => pending),
    )
  }

  #append(type: BlobType, blob: SealedPart): void {
    this.#throwIfFailed()
    this.#open[type].add(type, blob)
    if (this.#open[type].bytes >= this.#settings.packBytes || this.#open[type].count >= mostBlobsPerPack) this.#closePack(type)
  }

  #closePack(type: BlobType): void {
    const pack = this.#open[type]
    if (pack.empty) return
    this.#open[type] = new OpenPack()
    this.#run(() => this.#sendPack(type, pack), pack.pending)
  }

  async #sendPack(type: BlobType, open: OpenPack): Promise<void> {
    const { repository, onPack, index, signal } = this.#settings
    await this.#transfers.take(1)
    try {
      const pack = sealPack(repository.key, open.blobs, open.pieces)
      await uploadPack(repository.uploader, pack, { signal })
      onPack?.(pack.id)
      this.#storedBytes += pack.size
      this.#indexes.add(pack)
      const number = index.addPack(pack.id)
      for (const blob of pack.blobs) {
        index.add(number, type, Buffer.from(blob.id, 'hex'), blob.offset, blob.length, blob.uncompressedLength)
        this.#pending[type].delete(blob.id)
      }
      for (const { resolve } of open.pending) resolve()
    } finally {
      this.#transfers.give(1)
      this.#memory.give(open.bytes)
    }
    if (!this.#indexes.full && Date.now() - this.#indexedAt < indexEveryMilliseconds) return
    this.#indexedAt = Date.now()
    this.#indexing = this.#indexing.then(() => this.#indexes.write({ signal }))
    await this.#indexing
  }

  /** All memory is taken: whatever is not on its way yet must go, or nobody would ever give any back. */
  #sendWhenStuck(): void {
    if (this.#transfers.free === this.#transfers.total) for (const type of ['data', 'tree'] as const) this.#closePack(type)
  }

  /** Slows who has sealed blobs at hand to the pace of the store. */
  async #transferring(): Promise<void> {
    if (this.#memory.free < this.#settings.packBytes) await Promise.race(this.#work)
    this.#throwIfFailed()
  }

  #run(work: () => Promise<void>, pending: readonly PendingBlob[]): Promise<void> {
    const running = work().catch((error: unknown) => {
      for (const { reject } of pending) reject(error)
      this.#fail(error)
    })
    return this.#tracked(running)
  }

  #runSealing(work: () => Promise<void>, pending: readonly PendingBlob[]): void {
    const sealing = this.#run(work, pending)
    this.#sealing.add(sealing)
    sealing.finally(() => this.#sealing.delete(sealing))
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
    this.#memory.stop(error)
    this.#transfers.stop(error)
    for (const { chunk } of this.#batch.splice(0)) chunk.slab.letGo()
    for (const blobs of Object.values(this.#pending)) for (const { reject } of blobs.values()) reject(error)
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

/** Keeps the header of a pack small where there are only tiny blobs. */
const mostBlobsPerPack = 20_000

interface SealedPart {
  readonly id: StorageId
  readonly sealed: Uint8Array
  readonly uncompressedLength: number
  readonly pending: PendingBlob | undefined
}

class OpenPack {
  readonly blobs: PackedBlob[] = []
  readonly pieces: Uint8Array[] = []
  readonly pending: PendingBlob[] = []
  bytes = 0

  get empty(): boolean {
    return this.blobs.length === 0
  }

  get count(): number {
    return this.blobs.length
  }

  add(type: BlobType, { id, sealed, uncompressedLength, pending }: SealedPart): void {
    this.blobs.push({ type, id, offset: this.bytes, length: sealed.byteLength, uncompressedLength })
    this.pieces.push(sealed)
    if (pending !== undefined) this.pending.push(pending)
    this.bytes += sealed.byteLength
  }
}
