import { chunkLimits } from '../chunking/chunker.ts'
import { gearTable, gearTableBytes } from '../chunking/gear-table.ts'
import { createSharedMemory, type SharedMemory } from '../chunking/webassembly.ts'
import { Allowance } from './allowance.ts'

/** A slab holds the longest chunk there is. */
export const slabBytes = chunkLimits.maximum
const pageBytes = 64 * 1024
/** A chunker addresses less than 65536 pages, and the table takes one of them. */
export const mostSlabs = Math.floor((65_534 * pageBytes) / slabBytes)

/** A piece of the shared memory that is filled with bytes of files, and free again when everybody let go of it. */
export interface Slab {
  /** Address of its first byte. */
  readonly begin: number
  readonly end: number
  /** One more who needs what lies in it. */
  hold(): void
  letGo(): void
}

/**
 * The memory in which all plaintext lies: read into it, cut there by WebAssembly, and read by the worker threads. Its size is all
 * that a store needs for plaintext, however large the files are.
 */
export class SlabMemory {
  readonly memory: SharedMemory
  readonly bytes: Uint8Array
  readonly tableAddress = 0
  readonly #free: number[]
  readonly #allowance: Allowance
  /** Called when a slab is wanted and none is free. */
  onWait: () => void

  constructor(slabs: number, chunkerPolynomial: string, onWait: () => void = () => undefined) {
    this.onWait = onWait
    const tablePages = Math.ceil(gearTableBytes / pageBytes)
    const pages = tablePages + (slabs * slabBytes) / pageBytes
    this.memory = createSharedMemory({ initial: pages, maximum: pages })
    this.bytes = new Uint8Array(this.memory.buffer)
    new BigUint64Array(this.memory.buffer, this.tableAddress, 256).set(gearTable(chunkerPolynomial))
    this.#free = Array.from({ length: slabs }, (_, at) => tablePages * pageBytes + at * slabBytes)
    this.#allowance = new Allowance(slabs, () => this.onWait())
  }

  /** Somebody waits for a slab. */
  get wanted(): boolean {
    return this.#allowance.wanted
  }

  /** A slab that the caller holds. */
  async take(): Promise<Slab> {
    await this.#allowance.take(1)
    // The last one given back is still in the caches of the processor.
    const begin = this.#free.pop()
    if (begin === undefined) throw new TypeError('a slab was promised and there is none')
    let holders = 1
    return {
      begin,
      end: begin + slabBytes,
      hold: () => {
        holders++
      },
      letGo: () => {
        holders--
        if (holders > 0) return
        this.#free.push(begin)
        this.#allowance.give(1)
      },
    }
  }

  stop(error: unknown): void {
    this.#allowance.stop(error)
  }
}

/** A piece of the memory as it is now. */
export function bytesAt({ bytes }: SlabMemory, address: number, length: number): Uint8Array {
  return bytes.subarray(address, address + length)
}
