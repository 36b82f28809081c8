import { discard } from '@backup-planet/core/memory'
import { chunkLimits } from '../chunking/chunker.ts'
import { sealOverhead } from '../crypto/sealed-bytes.ts'
import { Allowance } from './allowance.ts'

const longestSealedChunk = chunkLimits.maximum + sealOverhead

/**
 * What a pack takes of memory until it is sent. It has no room for a chunk beyond its size, and is sent before one that it has no room
 * for; but one chunk always has room.
 */
export function packBufferBytes(packBytes: number): number {
  return Math.max(packBytes, longestSealedChunk)
}

/**
 * The memory in which packs are put together and lie until they are sent. It is taken once and used again and again: memory that is
 * taken anew for every pack keeps the garbage collector busier than the backup.
 */
export class PackBuffers {
  readonly capacity: number
  readonly #free: Buffer[] = []
  readonly #allowance: Allowance

  /** @param onWait called when a buffer is wanted and none is free */
  constructor(count: number, packBytes: number, onWait: () => void) {
    this.capacity = packBufferBytes(packBytes)
    this.#allowance = new Allowance(count, onWait)
  }

  /** With room for `capacity` bytes, or for `atLeast` where that is more. */
  async take(atLeast: number): Promise<Buffer> {
    await this.#allowance.take(1)
    if (atLeast > this.capacity) return Buffer.allocUnsafeSlow(atLeast)
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.capacity)
  }

  give(buffer: Buffer): void {
    if (buffer.byteLength === this.capacity) this.#free.push(buffer)
    this.#allowance.give(1)
  }

  /** Gives back the memory of those that nobody has; who wants one later gets it anew. */
  release(): void {
    for (const buffer of this.#free.splice(0)) discard(buffer)
  }

  stop(error: unknown): void {
    this.#allowance.stop(error)
  }
}
