import { crc32 } from 'node:zlib'
import { eventType } from '../binlog-event-type.ts'

export interface BuiltBinlogOptions {
  readonly serverVersion?: string
  /** Whether events end with a CRC32; the FORMAT_DESCRIPTION does wherever the version knows checksums. */
  readonly checksums?: boolean
  readonly inUse?: boolean
  /** Offset on the server of the first event behind the FORMAT_DESCRIPTION, for a binlog that begins in the middle. */
  readonly begin?: number
}

export interface EventOptions {
  readonly time?: number
  readonly serverId?: number
  readonly flags?: number
  /** Where it ends on the server, when it is to lie. */
  readonly logPos?: number
}

/** Writes binlogs as a server does, event by event; the format is that of MySQL "Binary Log Event" and MariaDB "Replication Protocol". */
export class BinlogBuilder {
  readonly #parts: Buffer[] = [Buffer.from('fe62696e', 'hex')]
  readonly #checksums: boolean
  #offset = 4
  #position = 4
  time = 1_700_000_000

  constructor({ serverVersion = '8.4.3', checksums = true, inUse = false, begin }: BuiltBinlogOptions = {}) {
    this.#checksums = checksums
    const known = !serverVersion.startsWith('5.5')
    const types = known ? (serverVersion.includes('MariaDB') ? 171 : 42) : 27
    const body = Buffer.alloc(57 + types + (known ? 1 : 0))
    body.writeUInt16LE(4, 0)
    body.write(serverVersion, 2, 'latin1')
    body[56] = 19
    body.fill(8, 57, 57 + types)
    body[57 + eventType.QUERY - 1] = 13
    body[57 + eventType.EXECUTE_LOAD_QUERY - 1] = 26
    if (known && types > 42) body[57 + eventType.QUERY_COMPRESSED - 1] = 13
    if (known) for (const type of [eventType.WRITE_ROWS, eventType.UPDATE_ROWS, eventType.DELETE_ROWS]) body[57 + type - 1] = 10
    if (known) body[57 + types] = checksums ? 1 : 0
    const event = this.#framed(eventType.FORMAT_DESCRIPTION, body, begin === undefined ? {} : { logPos: 0 }, known)
    if (inUse) event.writeUInt16LE(1, 17)
    this.#append(event)
    if (begin !== undefined) this.#position = begin
  }

  get offset(): number {
    return this.#offset
  }

  get position(): number {
    return this.#position
  }

  #framed(type: number, body: Buffer, options: EventOptions, checked: boolean): Buffer {
    const event = Buffer.alloc(19 + body.length + (checked ? 4 : 0))
    event.writeUInt32LE(options.time ?? this.time, 0)
    event[4] = type
    event.writeUInt32LE(options.serverId ?? 1, 5)
    event.writeUInt32LE(event.length, 9)
    event.writeUInt32LE(options.logPos ?? (this.#position + event.length) % 2 ** 32, 13)
    event.writeUInt16LE(options.flags ?? 0, 17)
    body.copy(event, 19)
    if (checked) event.writeUInt32LE(crc32(event.subarray(0, event.length - 4)), event.length - 4)
    return event
  }

  #append(event: Buffer): void {
    this.#parts.push(event)
    this.#offset += event.length
    this.#position += event.length
  }

  event(type: number, body: Buffer = Buffer.alloc(0), options: EventOptions = {}): this {
    this.#append(this.#framed(type, body, options, this.#checksums))
    return this
  }

  query(
    text: string,
    options: EventOptions & { readonly schema?: string; readonly statusBytes?: number; readonly compressed?: Buffer } = {},
  ): this {
    const { schema = '', statusBytes = 0 } = options
    const head = Buffer.alloc(13 + statusBytes)
    head[8] = Buffer.byteLength(schema)
    head.writeUInt16LE(statusBytes, 11)
    const body = Buffer.concat([head, Buffer.from(`${schema}\0`), options.compressed ?? Buffer.from(text)])
    return this.event(options.compressed === undefined ? eventType.QUERY : eventType.QUERY_COMPRESSED, body, options)
  }

  xid(options: EventOptions = {}): this {
    return this.event(eventType.XID, Buffer.alloc(8), options)
  }

  tableMap(schema: string, table: string): this {
    const head = Buffer.alloc(8)
    const name = (text: string) => Buffer.concat([Buffer.of(Buffer.byteLength(text)), Buffer.from(`${text}\0`)])
    return this.event(eventType.TABLE_MAP, Buffer.concat([head, name(schema), name(table), Buffer.from([1, 3, 0, 1])]))
  }

  rows(type: number = eventType.WRITE_ROWS, bytes = 10, ends = true): this {
    const body = Buffer.alloc(10 + bytes, 0x55)
    body.writeUInt16LE(ends ? 1 : 0, 6)
    return this.event(type, body)
  }

  mysqlGtid(
    uuid: string,
    number: bigint,
    options: EventOptions & { readonly committedAt?: number; readonly anonymous?: boolean } = {},
  ): this {
    const body = Buffer.alloc(options.committedAt === undefined ? 42 : 55)
    Buffer.from(uuid.replaceAll('-', ''), 'hex').copy(body, 1)
    body.writeBigInt64LE(number, 17)
    body[25] = 2
    if (options.committedAt !== undefined) {
      body.writeUIntLE(options.committedAt % 2 ** 48, 42, 6)
      body[48] = Math.floor(options.committedAt / 2 ** 48)
    }
    return this.event(options.anonymous === true ? eventType.ANONYMOUS_GTID : eventType.GTID, body, options)
  }

  mariadbGtid(domain: number, sequence: bigint, options: EventOptions & { readonly standalone?: boolean } = {}): this {
    const body = Buffer.alloc(19)
    body.writeBigUInt64LE(sequence, 0)
    body.writeUInt32LE(domain, 8)
    body[12] = options.standalone === true ? 1 : 4
    return this.event(eventType.MARIADB_GTID, body, options)
  }

  gtidList(gtids: readonly (readonly [domain: number, server: number, sequence: bigint])[]): this {
    const body = Buffer.alloc(4 + 16 * gtids.length)
    body.writeUInt32LE(gtids.length, 0)
    for (const [index, [domain, server, sequence]] of gtids.entries()) {
      body.writeUInt32LE(domain, 4 + 16 * index)
      body.writeUInt32LE(server, 8 + 16 * index)
      body.writeBigUInt64LE(sequence, 12 + 16 * index)
    }
    return this.event(eventType.GTID_LIST, body)
  }

  previousGtids(sets: readonly (readonly [uuid: string, intervals: readonly (readonly [bigint, bigint])[]])[]): this {
    const parts = [Buffer.alloc(8)]
    parts[0]?.writeBigUInt64LE(BigInt(sets.length))
    for (const [uuid, intervals] of sets) {
      const part = Buffer.alloc(24 + 16 * intervals.length)
      Buffer.from(uuid.replaceAll('-', ''), 'hex').copy(part)
      part.writeBigUInt64LE(BigInt(intervals.length), 16)
      for (const [index, [first, last]] of intervals.entries()) {
        part.writeBigInt64LE(first, 24 + 16 * index)
        part.writeBigInt64LE(last + 1n, 32 + 16 * index)
      }
      parts.push(part)
    }
    return this.event(eventType.PREVIOUS_GTIDS, Buffer.concat(parts), { flags: 0x80 })
  }

  rotate(next: string, options: EventOptions = {}): this {
    const position = Buffer.alloc(8)
    position.writeBigUInt64LE(4n)
    return this.event(eventType.ROTATE, Buffer.concat([position, Buffer.from(next)]), options)
  }

  stop(): this {
    return this.event(eventType.STOP)
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts)
  }
}
