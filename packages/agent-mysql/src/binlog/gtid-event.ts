import { eventType } from './binlog-event-type.ts'
import { addInterval, type MutableGtidSet } from './gtid-set.ts'
import type { MariadbGtid, MutableMariadbGtidList } from './mariadb-gtid.ts'

/** What a GTID event of MySQL says. Sources: MySQL `Gtid_event` (libs/mysql/binlog/event/control_events.h) and "Library: Serialization". */
export interface MysqlGtidEvent {
  /** `uuid`, or `uuid:tag` from 8.3 on; `undefined` for an anonymous transaction. */
  readonly source?: string
  readonly number: bigint
  /** When it was committed on this server, in microseconds since 1970, as from MySQL 8.0.1 on; 0 where that is not said. */
  readonly committedAt: number
}

/** @param body without header and checksum */
export function readMysqlGtid(type: number, body: Buffer): MysqlGtidEvent | undefined {
  return type === eventType.GTID_TAGGED ? readTaggedGtid(body) : readFixedGtid(type, body)
}

/** flags, UUID, number, 2, last committed, sequence number, then in MySQL 8 the time of the commit in 55 bits. */
function readFixedGtid(type: number, body: Buffer): MysqlGtidEvent | undefined {
  if (body.length < 25) return undefined
  const committedAt = body.length >= 49 && body[25] === 2 ? body.readUIntLE(42, 6) + ((body[48] ?? 0) & 0x7f) * 2 ** 48 : 0
  const number = body.readBigInt64LE(17)
  if (type === eventType.ANONYMOUS_GTID) return { number: 0n, committedAt }
  return number < 1n ? undefined : { source: uuidText(body, 1), number, committedAt }
}

export function uuidText(bytes: Buffer, offset: number): string {
  const hex = bytes.toString('hex', offset, offset + 16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Ids of the fields in the order of `Gtid_event::define_fields`; all up to the sequence number are always there. */
const field = { flags: 0, uuid: 1, number: 2, tag: 3, lastCommitted: 4, sequenceNumber: 5, committedAt: 6 } as const

/** Version, size and last non-ignorable field, then each field behind its id. */
function readTaggedGtid(body: Buffer): MysqlGtidEvent | undefined {
  const message = new SerializedMessage(body)
  message.unsigned()
  message.unsigned()
  message.unsigned()
  let uuid = ''
  let number = 0n
  let tag = ''
  for (let id: number = field.flags; id <= field.committedAt; id++) {
    if (message.unsigned() !== BigInt(id)) return undefined
    if (id === field.uuid) uuid = uuidText(message.octets(16), 0)
    else if (id === field.number) number = message.signed()
    else if (id === field.tag) tag = message.text()
    else if (id === field.committedAt) {
      const committedAt = Number(message.unsigned())
      if (message.overrun || number < 0n || committedAt >= 2 ** 55) return undefined
      return number === 0n ? { number, committedAt } : { source: tag === '' ? uuid : `${uuid}:${tag}`, number, committedAt }
    } else message.unsigned()
  }
  return undefined
}

/**
 * MySQL's "Library: Serialization": a number is stored in as many bytes as its first one has trailing one-bits, and one more; the value is in what
 * remains, little-endian, with the sign in the lowest bit of signed ones.
 */
class SerializedMessage {
  readonly #bytes: Buffer
  #offset: number
  overrun = false

  constructor(bytes: Buffer, offset = 0) {
    this.#bytes = bytes
    this.#offset = offset
  }

  get offset(): number {
    return this.#offset
  }

  unsigned(): bigint {
    const first = this.#bytes[this.#offset] ?? 0
    const ones = trailingOnes(first)
    const end = this.#offset + ones + 1
    if (end > this.#bytes.length) {
      this.overrun = true
      return 0n
    }
    let value = 0n
    for (let at = end - 1; at >= this.#offset; at--) value = (value << 8n) | BigInt(this.#bytes[at] ?? 0)
    this.#offset = end
    // Nine bytes: the first one is all ones, and no bit of the value is in it.
    return ones === 8 ? value >> 8n : value >> BigInt(ones + 1)
  }

  signed(): bigint {
    const value = this.unsigned()
    return (value & 1n) === 0n ? value >> 1n : -(value >> 1n) - 1n
  }

  /** Bytes that are stored as numbers. */
  octets(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => Number(this.unsigned() & 0xffn)))
  }

  text(): string {
    const length = Number(this.unsigned())
    const end = this.#offset + length
    if (end > this.#bytes.length) {
      this.overrun = true
      return ''
    }
    const text = this.#bytes.toString('latin1', this.#offset, end)
    this.#offset = end
    return text
  }
}

function trailingOnes(byte: number): number {
  return byte === 0xff ? 8 : 31 - Math.clz32(~byte & (byte + 1))
}

/** Fewer bytes than any entry of a set takes. */
const leastEntryBytes = 24

/**
 * The set in a PREVIOUS_GTIDS: what had been executed before the file began. Source: MySQL `Gtid_set::encode`; with tags the highest byte is 1 and
 * the count lies in bits 8 to 55.
 */
export function readPreviousGtids(body: Buffer): MutableGtidSet | undefined {
  if (body.length < 8) return undefined
  const head = body.readBigUInt64LE(0)
  const tagged = head >> 56n === 1n
  const sources = tagged ? (head >> 8n) & 0xffff_ffff_ffffn : head
  if (sources > BigInt(Math.floor(body.length / leastEntryBytes))) return undefined
  const set: MutableGtidSet = new Map()
  let at = 8
  for (let left = Number(sources); left > 0; left--) {
    if (at + 16 > body.length) return undefined
    let key = uuidText(body, at)
    at += 16
    if (tagged) {
      const message = new SerializedMessage(body, at)
      const tag = message.text()
      if (message.overrun) return undefined
      if (tag !== '') key += `:${tag}`
      at = message.offset
    }
    if (at + 8 > body.length) return undefined
    const intervals = body.readBigUInt64LE(at)
    at += 8
    if (intervals > BigInt(Math.floor((body.length - at) / 16))) return undefined
    for (let end = at + Number(intervals) * 16, least = 1n; at < end; at += 16) {
      const first = body.readBigInt64LE(at)
      const next = body.readBigInt64LE(at + 8)
      if (first < least || next <= first) return undefined
      addInterval(set, key, first, next - 1n)
      least = next
    }
  }
  return at === body.length ? set : undefined
}

/** Source: MariaDB "GTID_EVENT". */
export interface MariadbGtidEvent {
  readonly gtid: MariadbGtid
  /** The group is this event and one statement, without COMMIT. */
  readonly standalone: boolean
}

export function readMariadbGtid(body: Buffer, serverId: number): MariadbGtidEvent | undefined {
  if (body.length < 13) return undefined
  const gtid = { domain: body.readUInt32LE(8), server: serverId, sequence: body.readBigUInt64LE(0) }
  return { gtid, standalone: ((body[12] ?? 0) & 1) === 1 }
}

/** The state before the file in a GTID_LIST: of the entries of a domain the last one is what it has reached. Source: MariaDB "GTID_LIST_EVENT". */
export function readGtidList(body: Buffer): MutableMariadbGtidList | undefined {
  if (body.length < 4) return undefined
  // The upper bits are flags.
  const count = body.readUInt32LE(0) & 0x0fff_ffff
  if (body.length < 4 + count * 16) return undefined
  const list: MutableMariadbGtidList = new Map()
  for (let at = 4, left = count; left > 0; left--, at += 16) {
    const domain = body.readUInt32LE(at)
    list.set(domain, { domain, server: body.readUInt32LE(at + 4), sequence: body.readBigUInt64LE(at + 8) })
  }
  return list
}
