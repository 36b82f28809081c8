const blockHeaderBytes = 52
const streamHeaderBytes = 22

export interface WrittenStream {
  readonly id: string
  readonly data: Buffer
  readonly mediaAttributes?: number
}

/** Appends descriptor blocks as "Microsoft Tape Format Specification" 1.00a lays them out, with the sizes that SQL Server uses. */
export class MtfBlocks {
  readonly #parts: Buffer[] = []
  readonly #blockBytes: number
  readonly #markBytes: number
  #offset = 0
  /** Where the current set began: blocks are addressed from there. */
  #setBegin = 0
  /** Behind the last mark: blocks are aligned from there. */
  #alignedFrom = 0
  #controlBlock = 0
  #marks = 0

  /** @param alignment 512, where SQL Server writes blocks of 1024 bytes, or the size of the sectors or BLOCKSIZE */
  constructor(alignment: number) {
    this.#blockBytes = alignment === 512 ? 1024 : alignment
    this.#markBytes = alignment
  }

  get blockBytes(): number {
    return this.#blockBytes
  }

  get markBytes(): number {
    return this.#markBytes
  }

  beginSet(): void {
    this.#setBegin = this.#offset
    this.#controlBlock = 0
  }

  /** @param block from its beginning; the header is filled in */
  block(type: string, block: Buffer, streams: readonly WrittenStream[] = []): void {
    const padded = Buffer.alloc(Math.ceil(block.length / 4) * 4)
    block.copy(padded)
    const logicalAddress = (this.#offset - this.#setBegin) / this.#blockBytes
    fillHeader(padded, type, { firstEvent: padded.length, logicalAddress, controlBlock: this.#controlBlock++ })
    const parts = [padded, ...streams.flatMap(streamBytes)]
    const length = parts.reduce((sum, part) => sum + part.length, 0)
    const padding = this.#paddingBehind(length + streamHeaderBytes)
    this.#append(Buffer.concat([...parts, streamHeader({ id: 'SPAD', data: Buffer.alloc(padding) }), Buffer.alloc(padding)]))
  }

  /** A tape mark counts those before it. */
  mark(): void {
    const mark = Buffer.alloc(this.#markBytes)
    mark.writeUInt32LE(this.#markBytes / 4 - 73, 52)
    mark.writeUInt32LE(this.#marks++, 56)
    fillHeader(mark, 'SFMB', { firstEvent: this.#markBytes, attributes: 0x8000_0000 })
    this.#append(mark)
    this.#alignedFrom = this.#offset
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }

  #append(bytes: Buffer): void {
    this.#parts.push(bytes)
    this.#offset += bytes.length
  }

  #paddingBehind(length: number): number {
    const end = this.#offset - this.#alignedFrom + length
    return Math.ceil(end / this.#blockBytes) * this.#blockBytes - end
  }
}

interface HeaderFields {
  readonly firstEvent: number
  readonly attributes?: number
  readonly logicalAddress?: number
  readonly controlBlock?: number
}

function fillHeader(block: Buffer, type: string, { firstEvent, attributes = 0, logicalAddress = 0, controlBlock = 0 }: HeaderFields): void {
  if (block.length < blockHeaderBytes) throw new TypeError(`block ${type} is shorter than its header`)
  block.write(type, 0, 'latin1')
  block.writeUInt32LE(attributes, 4)
  block.writeUInt16LE(firstEvent, 8)
  block[10] = 14
  block[11] = 1
  block.writeBigUInt64LE(BigInt(Math.floor(logicalAddress)), 20)
  block.writeUInt32LE(controlBlock, 36)
  block[48] = 2
  sealWords(block, 25)
}

function streamBytes(stream: WrittenStream): readonly Buffer[] {
  const length = streamHeaderBytes + stream.data.length
  return [streamHeader(stream), stream.data, Buffer.alloc(Math.ceil(length / 4) * 4 - length)]
}

function streamHeader({ id, data, mediaAttributes = 0 }: WrittenStream): Buffer {
  const header = Buffer.alloc(streamHeaderBytes)
  header.write(id, 0, 'latin1')
  header.writeUInt16LE(mediaAttributes, 6)
  header.writeBigUInt64LE(BigInt(data.length), 8)
  sealWords(header, 10)
  return header
}

/** XOR of the first words, in the word behind them. */
function sealWords(bytes: Buffer, words: number): void {
  let sum = 0
  for (let index = 0; index < words; index++) sum ^= bytes.readUInt16LE(2 * index)
  bytes.writeUInt16LE(sum, 2 * words)
}
