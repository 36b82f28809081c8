import { hash } from 'node:crypto'
import type { ContentHasher } from '../workers/blob-workers.ts'
import type { BlobWriter, SavedBlob } from './blob-writer.ts'
import { type Chunk, FileChunking } from './file-chunking.ts'
import { bytesAt, type SlabMemory } from './slab-memory.ts'

/** Fills the room that it is given, and yields how many bytes it filled each time. */
export type ReadInto = (room: () => Promise<Uint8Array>) => AsyncIterable<number>

export interface SavedContent {
  readonly size: number
  /** Of the whole content; lower-case hex. */
  readonly sha256: string
  /** In their order; one comes twice where the content repeats itself. */
  readonly blobs: readonly SavedBlob[]
}

/** To hand over a chunk of this many bytes takes about as long as to hash it. */
const hashedHereBytes = 64 * 1024

/** Cuts, hashes and saves one content after the other. */
export class ContentLane {
  readonly #slabs: SlabMemory
  readonly #chunking: FileChunking
  readonly #hasher: ContentHasher

  constructor(slabs: SlabMemory, hasher: ContentHasher) {
    this.#slabs = slabs
    this.#chunking = new FileChunking(slabs)
    this.#hasher = hasher
  }

  /**
   * Every blob has an id when it resolves, and is durable later. Rejects with what reading or saving met, and takes another content then.
   *
   * @param onBytes told of bytes as they come
   */
  async save(read: ReadInto, writer: BlobWriter, onBytes: (bytes: number) => void): Promise<SavedContent> {
    const saving: Promise<SavedBlob>[] = []
    try {
      const size = await this.#chunking.cut(
        read,
        (chunk, only) => {
          const first = saving.length === 0
          const saved = only ? this.#saveOnly(chunk, writer) : writer.saveChunk(chunk, (region) => this.#hasher.hash(region, first))
          saved.catch(() => undefined)
          saving.push(saved)
        },
        onBytes,
      )
      const blobs = await Promise.all(saving)
      return { size, sha256: await this.#contentHash(blobs), blobs }
    } finally {
      this.#hasher.abandon()
    }
  }

  /** Lets go of the memory that the last contents lie in. */
  end(): void {
    this.#chunking.end()
  }

  #saveOnly(chunk: Chunk, writer: BlobWriter): Promise<SavedBlob> {
    if (chunk.length > hashedHereBytes) return writer.saveChunk(chunk)
    return writer.saveChunk(chunk, async ({ address, length }) => ({ id: hash('sha256', bytesAt(this.#slabs, address, length), 'buffer') }))
  }

  /** The id of an only chunk is the hash of the content. */
  async #contentHash(blobs: readonly SavedBlob[]): Promise<string> {
    const [first] = blobs
    if (first === undefined) return hash('sha256', '')
    return blobs.length === 1 ? first.id : Buffer.from((await this.#hasher.digest()).id).toString('hex')
  }
}
