import { createHash, type Hash } from 'node:crypto'
import { Transform } from 'node:stream'
import { constants, createZstdCompress } from 'node:zlib'
import { Credit } from './credit.ts'
import { blocksPerFile, type FromReader } from './table-reader-messages.ts'

const sentBlockBytes = 131_072

export interface ChunkFileOptions {
  readonly id: number
  readonly file: number
  /** 0: the text as it is. */
  readonly compressionLevel: number
  readonly send: (message: FromReader, transfer?: readonly ArrayBuffer[]) => void
}

/**
 * One file being compressed: text goes in, blocks go to the main thread. Its credit is its own: a file waits for nobody but
 * whoever reads this very file, so no two files of a reader can wait for each other.
 */
export class ChunkFile {
  readonly file: number
  readonly credit = new Credit()
  readonly #id: number
  readonly #send: ChunkFileOptions['send']
  readonly #hash: Hash = createHash('sha256')
  readonly #compressor: Transform
  readonly #sent: Promise<void>
  #bytesUnsaid = 0
  #rowsUnsaid = 0

  constructor({ id, file, compressionLevel, send }: ChunkFileOptions) {
    this.#id = id
    this.file = file
    this.#send = send
    this.#compressor = compressorOf(compressionLevel)
    this.credit.grant(blocksPerFile)
    send({ type: 'file-begin', id, file })
    this.#sent = this.#sendBlocks()
    this.#sent.catch(() => undefined)
  }

  /** `compressed` is called when the block is not needed any more; never after {@link destroy}. */
  write(block: Uint8Array, compressed: () => void): void {
    this.#hash.update(block)
    this.#bytesUnsaid += block.length
    this.#compressor.write(block, (error) => {
      if (!error) compressed()
    })
  }

  async end(rows: number, bytes: number): Promise<void> {
    this.#rowsUnsaid = rows
    this.#compressor.end()
    await this.#sent
    this.#send({ type: 'file-end', id: this.#id, file: this.file, rows, bytes, sha256: this.#hash.digest('hex') })
  }

  /** Nothing of this file is wanted any more, whatever it waits for. */
  destroy(): void {
    this.#compressor.destroy()
  }

  async #sendBlocks(): Promise<void> {
    for await (const compressed of this.#compressor) {
      await this.credit.take()
      const block = new Uint8Array(compressed.length)
      block.set(compressed)
      this.#send({ type: 'block', id: this.#id, file: this.file, block, rows: this.#rowsUnsaid, bytes: this.#bytesUnsaid }, [block.buffer])
      this.#rowsUnsaid = 0
      this.#bytesUnsaid = 0
    }
  }
}

function compressorOf(level: number): Transform {
  if (level > 0) return createZstdCompress({ chunkSize: sentBlockBytes, params: { [constants.ZSTD_c_compressionLevel]: level } })
  // A copy: the block is used again as soon as it has gone in.
  return new Transform({ transform: (block: Uint8Array, _encoding, done) => done(null, Buffer.from(block)) })
}
