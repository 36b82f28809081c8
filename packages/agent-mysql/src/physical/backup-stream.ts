import { crc32 } from 'node:zlib'
import { assertSafePath, BackupError } from '@backup-planet/core'

/** `XBSTCK01`, flags, type, length of the path. */
const headerBytes = 14
/** What xbstream takes (FN_REFLEN). */
const longestPath = 512
const mostMapEntries = 1_048_576
const ignorable = 0x01

/** What a stream was seen to hold. */
export interface StreamFacts {
  readonly files: number
  /** Of the chunks, without what is around them. */
  readonly payloadBytes: number
}

/**
 * Reads a stream of mbstream or xbstream as it passes, and holds back nothing: every name must stay inside the folder that it is unpacked in, every chunk must have the
 * checksum that it carries, and every file must have its end. Memory is that of one header, and of the names of the files that are open.
 * Source: Percona XtraBackup documentation, "xbstream format": magic, flags, type (P, S, E), path, for S the size of the map, length, offset, CRC-32 of map and payload, for S the map, payload;
 * mbstream is the same without S.
 *
 * `push` and `end` throw `CORRUPTED` or, for a name or type that is refused, `INVALID_INPUT` or `UNSUPPORTED`.
 */
export class BackupStreamReader {
  readonly #what: string
  readonly #open = new Set<string>()
  #files = 0
  #payloadBytes = 0
  #offset = 0
  /** Of the header that is being read. */
  #held: Uint8Array = new Uint8Array(0)
  #step: { readonly bytes: number; readonly read: (bytes: Buffer) => void } = { bytes: headerBytes, read: (bytes) => this.#header(bytes) }
  #atHeader = true
  #payload: { left: bigint; readonly expected: number; crc: number } | undefined

  /** @param what named in messages, such as `the stream of backup 2026…` */
  constructor(what: string) {
    this.#what = what
  }

  get facts(): StreamFacts {
    return { files: this.#files, payloadBytes: this.#payloadBytes }
  }

  push(chunk: Uint8Array): void {
    let rest = chunk
    while (rest.length > 0) rest = this.#payload === undefined ? this.#pushHeader(rest) : this.#pushPayload(rest)
  }

  end(): void {
    if (this.#payload !== undefined || this.#held.length > 0 || this.#step.bytes !== headerBytes || !this.#atHeader) {
      throw this.#corrupted('ends in the middle of a chunk')
    }
    const [open] = this.#open
    if (open !== undefined) throw this.#corrupted(`ends before the end of ${JSON.stringify(open)}`)
    if (this.#files === 0) throw this.#corrupted('is empty')
  }

  #pushHeader(chunk: Uint8Array): Uint8Array {
    const { bytes, read } = this.#step
    const missing = bytes - this.#held.length
    const part = chunk.subarray(0, missing)
    this.#held = this.#held.length === 0 ? Buffer.from(part) : Buffer.concat([this.#held, part])
    this.#offset += part.length
    if (this.#held.length === bytes) {
      const complete = Buffer.from(this.#held.buffer, this.#held.byteOffset, this.#held.length)
      this.#held = new Uint8Array(0)
      read(complete)
    }
    return chunk.subarray(part.length)
  }

  #pushPayload(chunk: Uint8Array): Uint8Array {
    const payload = this.#payload
    if (payload === undefined) return chunk
    const part = payload.left < BigInt(chunk.length) ? chunk.subarray(0, Number(payload.left)) : chunk
    payload.crc = crc32(part, payload.crc)
    payload.left -= BigInt(part.length)
    this.#payloadBytes += part.length
    this.#offset += part.length
    if (payload.left === 0n) this.#endPayload(payload)
    return chunk.subarray(part.length)
  }

  #endPayload({ crc, expected }: { readonly crc: number; readonly expected: number }): void {
    if (crc !== expected) throw this.#corrupted(`has a chunk with checksum ${hex(crc)} that says ${hex(expected)}`)
    this.#payload = undefined
    this.#await(headerBytes, (bytes) => this.#header(bytes), true)
  }

  #await(bytes: number, read: (bytes: Buffer) => void, atHeader = false): void {
    this.#step = { bytes, read }
    this.#atHeader = atHeader
  }

  #header(bytes: Buffer): void {
    if (bytes.toString('latin1', 0, 8) !== 'XBSTCK01') throw this.#corrupted('holds no chunk where one should begin')
    const flags = bytes.readUInt8(8)
    const type = String.fromCharCode(bytes.readUInt8(9))
    const length = bytes.readUInt32LE(10)
    if (type !== 'P' && type !== 'S' && type !== 'E') {
      if ((flags & ignorable) === 0) throw this.#unsupported(`holds a chunk of the unknown type ${JSON.stringify(type)}`)
    }
    if (length === 0 || length >= longestPath) throw this.#corrupted(`holds a name of ${length} bytes`)
    this.#await(length, (path) => this.#path(type, path))
  }

  #path(type: string, bytes: Buffer): void {
    // A leading ./ is how the tools write what lies in a schema.
    const path = bytes.toString('latin1').replace(/^(?:\.\/)+/, '')
    assertSafePath(path, `${this.#what} holds a file whose name`)
    if (type === 'E') {
      if (!this.#open.delete(path)) this.#files++
      this.#await(headerBytes, (header) => this.#header(header), true)
      return
    }
    if ((type === 'P' || type === 'S') && !this.#open.has(path)) {
      this.#open.add(path)
      this.#files++
    }
    if (type === 'S') this.#await(4, (size) => this.#length(this.#mapEntries(size)))
    else this.#length(0)
  }

  #mapEntries(bytes: Buffer): number {
    const entries = bytes.readUInt32LE(0)
    if (entries > mostMapEntries) throw this.#corrupted(`holds a map of ${entries} holes`)
    return entries
  }

  #length(mapEntries: number): void {
    this.#await(20, (bytes) => {
      const payload = { left: bytes.readBigUInt64LE(0), expected: bytes.readUInt32LE(16), crc: 0 }
      const begin = (): void => {
        this.#payload = payload
        if (payload.left === 0n) this.#endPayload(payload)
      }
      if (mapEntries === 0) return begin()
      this.#await(mapEntries * 8, (map) => {
        payload.crc = crc32(map)
        begin()
      })
    })
  }

  #corrupted(clause: string): BackupError {
    return new BackupError(`${this.#what} ${clause}, at byte ${this.#offset}`, {
      code: 'CORRUPTED',
      hint: 'Nothing on the target was replaced. Restore from another backup, and verify the repository.',
    })
  }

  #unsupported(clause: string): BackupError {
    return new BackupError(`${this.#what} ${clause}, at byte ${this.#offset}`, {
      code: 'UNSUPPORTED',
      hint: 'It was written by a newer tool than this agent knows. Update the agent.',
    })
  }
}

/** The same bytes, checked: what follows the first mistake is not passed on. */
export async function* checkedStream(source: AsyncIterable<Uint8Array>, reader: BackupStreamReader): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    reader.push(chunk)
    yield chunk
  }
  reader.end()
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`
}
