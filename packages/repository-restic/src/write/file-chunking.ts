import { Chunker, chunkLimits, compileChunker } from '../chunking/chunker.ts'
import type { WebAssemblyModule } from '../chunking/webassembly.ts'
import type { Slab, SlabMemory } from './slab-memory.ts'

/** A chunk that lies in a slab. The slab is held for whoever is given it. */
export interface Chunk {
  readonly slab: Slab
  readonly address: number
  readonly length: number
}

/** What is read before it is looked at; more would keep everybody else waiting while it is cut. */
const mostAtOnce = 1024 ** 2

let compiled: WebAssemblyModule | undefined

/** Cuts one file after the other. Small ones share a slab. */
export class FileChunking {
  readonly #memory: SlabMemory
  readonly #chunker: Chunker
  #slab: Slab | undefined
  /** Where the next byte goes. */
  #at = 0

  constructor(memory: SlabMemory) {
    compiled ??= compileChunker()
    this.#memory = memory
    this.#chunker = new Chunker(compiled, memory.memory, memory.tableAddress)
  }

  /**
   * @param read fills the room that it is given, and yields how many bytes it filled each time
   * @param onChunk is given every chunk in order, and whether there is no other
   * @param onBytes told of bytes as they come
   *
   * Resolves with the size of the content.
   */
  async cut(
    read: (room: () => Promise<Uint8Array>) => AsyncIterable<number>,
    onChunk: (chunk: Chunk, only: boolean) => void,
    onBytes: (bytes: number) => void,
  ): Promise<number> {
    let slab = await this.#place(0)
    let begin = this.#at
    let size = 0
    let chunks = 0
    const give = (end: number, only: boolean): void => {
      slab.hold()
      chunks++
      onChunk({ slab, address: begin, length: end - begin }, only)
    }
    const room = async (): Promise<Uint8Array> => {
      if (this.#at === slab.end) {
        slab = await this.#place(begin)
        begin = slab.begin
        this.#chunker.movedTo(begin)
      }
      return this.#memory.bytes.subarray(this.#at, Math.min(slab.end, this.#at + mostAtOnce))
    }
    this.#chunker.begin(begin)
    for await (const bytes of read(room)) {
      this.#at += bytes
      size += bytes
      for (let end = this.#chunker.scan(this.#at); end >= 0; end = this.#chunker.scan(this.#at)) {
        give(end, false)
        begin = end
        this.#chunker.begin(begin)
      }
      onBytes(bytes)
    }
    if (this.#at > begin) give(this.#at, chunks === 0)
    return size
  }

  /** Lets go of the slab that the last files lie in. */
  end(): void {
    this.#slab?.letGo()
    this.#slab = undefined
  }

  /** A slab with room, and in it what was begun at `begin` and is not cut yet. */
  async #place(begin: number): Promise<Slab> {
    const old = this.#slab
    const unfinished = begin === 0 ? 0 : this.#at - begin
    if (old !== undefined && unfinished === 0 && old.end - this.#at >= chunkLimits.minimum) return old
    // Waiting for a slab while the unfinished chunk still lies in the old one: it is moved, not kept twice.
    if (unfinished === 0) this.end()
    const slab = await this.#memory.take()
    if (unfinished > 0) {
      this.#memory.bytes.copyWithin(slab.begin, begin, this.#at)
      this.end()
    }
    this.#slab = slab
    this.#at = slab.begin + unfinished
    return slab
  }
}

/** Copies a stream into the rooms that {@link FileChunking.cut} gives. */
export async function* copiedInto(content: AsyncIterable<Uint8Array>, room: () => Promise<Uint8Array>): AsyncGenerator<number, void> {
  for await (const piece of content) {
    for (let taken = 0; taken < piece.byteLength; ) {
      const place = await room()
      const part = piece.subarray(taken, taken + place.byteLength)
      place.set(part)
      taken += part.byteLength
      yield part.byteLength
    }
  }
}
