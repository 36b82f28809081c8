import { type OperationOptions, throwIfAborted } from '@backup-planet/core'
import type { BackupFileSource } from './backup-file-source.ts'

/** Headers of small blocks lie close together, those behind pages far apart: as much as is cheap to read from a store in one request. */
const windowBytes = 16 * 1024

/** The part of a source that was read last. A walk that goes forward reads each byte at most once, and skips what it does not ask for. */
export class SourceWindow {
  readonly #source: BackupFileSource
  readonly #options: OperationOptions
  #begin = 0
  #bytes: Buffer = Buffer.alloc(0)

  constructor(source: BackupFileSource, options: OperationOptions = {}) {
    this.#source = source
    this.#options = options
  }

  get size(): number {
    return this.#source.size
  }

  /** Whether the file is long enough. */
  has(offset: number, length: number): boolean {
    return offset + length <= this.#source.size
  }

  /** Exactly `length` bytes from `offset`, to be used before the next call. The caller sees beforehand that the file `has` them. */
  async bytes(offset: number, length: number): Promise<Buffer> {
    const at = offset - this.#begin
    if (at >= 0 && at + length <= this.#bytes.length) return this.#bytes.subarray(at, at + length)
    throwIfAborted(this.#options.signal, 'reading a backup file')
    const wanted = Math.min(Math.max(length, windowBytes), this.#source.size - offset)
    const read = await this.#source.read(offset, wanted, this.#options)
    this.#bytes = Buffer.from(read.buffer, read.byteOffset, read.byteLength)
    this.#begin = offset
    return this.#bytes.subarray(0, length)
  }
}
