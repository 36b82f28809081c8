/** Virtual log file, block, slot. */
export type WrittenLsn = readonly [virtualLogFile: number, block: number, slot: number]

/** Ten bytes. */
export function lsnBytes([file, block, slot]: WrittenLsn): Buffer {
  const bytes = Buffer.alloc(10)
  bytes.writeUInt32LE(file, 0)
  bytes.writeUInt32LE(block, 4)
  bytes.writeUInt16LE(slot, 8)
  return bytes
}

/** @param text as SQL Server prints it */
export function guidBytes(text: string): Buffer {
  const [a = '', b = '', c = '', d = '', e = ''] = text.split('-')
  const reversed = [a, b, c].map((group) => Buffer.from(group, 'hex').reverse())
  return Buffer.concat([...reversed, Buffer.from(d, 'hex'), Buffer.from(e, 'hex')])
}

/** @param text `2019-05-02T21:00:55`, the clock of the server */
export function dateBytes(text: string): Buffer {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = text.split(/[-T:]/).map(Number)
  return Buffer.from([
    year >> 6,
    ((year & 63) << 2) | (month >> 2),
    ((month & 3) << 6) | (day << 1) | (hour >> 4),
    ((hour & 15) << 4) | (minute >> 2),
    ((minute & 3) << 6) | second,
  ])
}

/** Bytes with a fixed part, behind which the texts lie that the fixed part addresses: length, then offset, both in bytes. */
export class AddressedBytes {
  readonly fixed: Buffer
  readonly #texts: Buffer[] = []
  #end: number

  constructor(fixedBytes: number) {
    this.fixed = Buffer.alloc(fixedBytes)
    this.#end = fixedBytes
  }

  put(offset: number, bytes: Buffer): this {
    bytes.copy(this.fixed, offset)
    return this
  }

  address(at: number, data: string | Buffer): this {
    const bytes = typeof data === 'string' ? Buffer.from(data, 'utf16le') : data
    this.fixed.writeUInt16LE(bytes.length, at)
    this.fixed.writeUInt16LE(bytes.length === 0 ? 0 : this.#end, at + 2)
    this.#texts.push(bytes)
    this.#end += bytes.length
    return this
  }

  bytes(): Buffer {
    return Buffer.concat([this.fixed, ...this.#texts])
  }
}
