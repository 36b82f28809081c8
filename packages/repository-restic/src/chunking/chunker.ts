import { gearChunkerWasm } from './gear-chunker-wasm.ts'
import { compileModule, instantiateModule, type SharedMemory, type WebAssemblyModule } from './webassembly.ts'

export interface ChunkLimits {
  /** Bytes of the shortest chunk; the end of a file may leave a shorter one. At least 64. */
  readonly minimum: number
  /** Bytes of the longest chunk. */
  readonly maximum: number
  /** From `minimum` on, a byte ends the chunk with a probability of one in 2 to the power of this. */
  readonly boundaryBits: number
}

/**
 * The sizes that restic cuts (doc/design.rst, "Backups and Deduplication"): 512 KiB to 8 MiB, and 1.5 MiB on average where nothing repeats.
 */
export const chunkLimits = { minimum: 512 * 1024, maximum: 8 * 1024 * 1024, boundaryBits: 20 } as const satisfies ChunkLimits

interface GearChunkerExports {
  begin(address: number): void
  movedTo(address: number): void
  scan(end: number): number
}

/** One module serves every chunker of the process; it may also be sent to a worker thread. */
export function compileChunker(): WebAssemblyModule {
  return compileModule(Buffer.from(gearChunkerWasm, 'base64'))
}

/**
 * Cuts one stream of bytes into chunks where its content says so, so that what is inserted or removed changes only the chunks around it.
 * The bytes lie in a memory that the caller owns and that other chunkers and threads use too; nothing is written to it.
 *
 * A chunk ends behind the first byte, from the `minimum`th on, at which the gear hash (Xia et al., "FastCDC", USENIX ATC 2016) of the last 64
 * bytes is below 2^(64 - `boundaryBits`): the sum of their keys modulo 2^64, the key of the last byte taken once, of the one before twice, of the
 * one before that four times, and so on. Where there is none, it ends behind the `maximum`th. Restic finds its boundaries by another hash;
 * its format does not ask how.
 */
export class Chunker {
  readonly #exports: GearChunkerExports

  /**
   * @param memory at most 65535 pages, so that an end is a number of 32 bits
   * @param tableAddress where in the memory a {@link gearTable} lies, from the first chunk on
   */
  constructor(module: WebAssemblyModule, memory: SharedMemory, tableAddress: number, limits: ChunkLimits = chunkLimits) {
    this.#exports = instantiateModule<GearChunkerExports>(module, {
      memory,
      keys: tableAddress,
      minimum: limits.minimum,
      maximum: limits.maximum,
      boundaryBelow: 1n << BigInt(64 - limits.boundaryBits),
    })
  }

  /** A chunk begins at this address. Whatever was known of the chunk before it is forgotten. */
  begin(begin: number): void {
    this.#exports.begin(begin)
  }

  /**
   * Looks at the bytes before `end` that it has not looked at yet, in pieces of any size: the boundaries are the same.
   * Returns the address behind the chunk's last byte, or -1 where there is no boundary yet. After a boundary, {@link begin} comes next.
   */
  scan(end: number): number {
    const boundary = this.#exports.scan(end) >>> 0
    return boundary === 0 ? -1 : boundary
  }

  /** The bytes of the unfinished chunk have been moved so that they begin at this address. */
  movedTo(begin: number): void {
    this.#exports.movedTo(begin)
  }
}
