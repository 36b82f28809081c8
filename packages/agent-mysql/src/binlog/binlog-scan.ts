import { createHash } from 'node:crypto'
import { damagedBinlog } from './binlog-damage.ts'
import { binlogMagic, eventHeaderBytes, readIncident, readRotate } from './binlog-event.ts'
import { eventFlag, eventType, eventTypeName } from './binlog-event-type.ts'
import type { BinlogEnd, BinlogFacts } from './binlog-facts.ts'
import type { BinlogTransaction } from './binlog-transaction.ts'
import { EventWalk } from './event-walk.ts'
import { readGtidList, readMariadbGtid, readMysqlGtid, readPreviousGtids } from './gtid-event.ts'
import { GtidProgress } from './gtid-progress.ts'
import { printMariadbGtid } from './mariadb-gtid.ts'
import { type GroupGtid, TransactionGroups } from './transaction-groups.ts'
import type { WalkedEvent } from './walked-event.ts'

export type { BinlogEnd, BinlogFacts } from './binlog-facts.ts'

export interface BinlogScanOptions {
  /** Of the binlog, for messages. */
  readonly name: string
  /** Offset on the server of the first event after the FORMAT_DESCRIPTION, for bytes that begin in the middle of a binlog. */
  readonly begin?: number | undefined
  /** What had been executed before, for bytes that begin in the middle of a binlog. */
  readonly gtidBefore?: string | undefined
  /** Told of every transaction in the order of the log. */
  readonly onTransaction?: ((transaction: BinlogTransaction) => void) | undefined
}

const mostIncidents = 10

/**
 * Reads one binlog as its bytes come, in memory that does not grow with it, and checks every event: sizes, checksums, places, and the contents of those
 * that it understands. Events that it does not know are passed over.
 *
 * `push` and `end` throw `CORRUPTED` for a binlog that is damaged or ends inside an event, and `UNSUPPORTED` for an encrypted one or another version.
 * After they have thrown, the scan is of no more use.
 */
export class BinlogScan {
  readonly #options: BinlogScanOptions
  readonly #walk: EventWalk
  readonly #groups: TransactionGroups
  readonly #counts = new Uint32Array(256)
  readonly #identity = createHash('sha256')
  #identityHex: string | undefined
  #progress: GtidProgress | undefined
  #firstTimestamp = 0
  /** Where the first event lies that is in the file of the server. */
  #from: number | undefined
  #inUse = false
  #bytes = 0
  #transactions = 0
  #first: BinlogTransaction | undefined
  #last: BinlogTransaction | undefined
  #lastGtid: string | undefined
  /** Adds the GTID of the transaction that has begun: one that does not end was never executed. */
  #executed: (() => void) | undefined
  #firstGtid: string | undefined
  #ends: BinlogEnd = 'open'
  #next: string | undefined
  readonly #incidents: string[] = []

  constructor(options: BinlogScanOptions) {
    this.#options = options
    this.#walk = new EventWalk(options, (event) => this.#onEvent(event))
    this.#groups = new TransactionGroups((transaction) => this.#onTransaction(transaction), options.onTransaction !== undefined)
  }

  /** Takes the next bytes, of any length, beginning with the magic. They may be used again as soon as this returns. */
  push(bytes: Uint8Array): void {
    this.#bytes += bytes.length
    this.#walk.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }

  /** As soon as it is known, which is with the second event, or the third. */
  get identity(): string | undefined {
    return this.#identityHex
  }

  /** Where the event begins that has not come whole: in the bytes, and on the server. What lies before is sound. */
  get reached(): { readonly offset: number; readonly position: number } {
    return { offset: this.#walk.offset, position: this.#walk.serverOffset }
  }

  /** Ends at an event, or throws: a binlog that was cut between two events is told from a whole one by `ends`. */
  end(): BinlogFacts {
    this.#walk.end()
    const description = this.#walk.description
    if (description === undefined) throw damagedBinlog(this.#options.name, 0, 'it has no FORMAT_DESCRIPTION')
    const unfinished = this.#groups.unfinished
    const first = this.#from ?? this.#options.begin ?? binlogMagic.length
    const from = first === binlogMagic.length ? 0 : first
    const createdAt = description.created > 0 ? description.created : this.#firstTimestamp
    return {
      binlog: this.#options.name,
      from,
      to: Math.max(this.#walk.serverOffset, from),
      bytes: this.#bytes,
      serverVersion: description.serverVersion,
      flavour: description.flavour,
      checksum: description.checksum,
      ...(createdAt > 0 ? { createdAt: isoTime(createdAt * 1000) } : {}),
      identity: this.#identityHex ?? this.#identity.copy().digest('hex'),
      inUse: this.#inUse,
      transactions: this.#transactions,
      ...(this.#first === undefined ? {} : { firstAt: isoTime(this.#first.time) }),
      ...(this.#last === undefined ? {} : { lastAt: isoTime(this.#last.time) }),
      ...(this.#firstGtid === undefined ? {} : { firstGtid: this.#firstGtid }),
      ...(this.#lastGtid === undefined ? {} : { lastGtid: this.#lastGtid }),
      ...(this.#progress?.before === undefined ? {} : { gtidBefore: this.#progress.before }),
      ...(this.#progress?.after === undefined ? {} : { gtidAfter: this.#progress.after }),
      ends: this.#ends,
      ...(this.#next === undefined ? {} : { next: this.#next }),
      ...(unfinished === undefined ? {} : { unfinished: unfinished.begin }),
      incidents: this.#incidents,
      events: Object.fromEntries([...this.#counts.entries()].flatMap(([type, count]) => (count > 0 ? [[eventTypeName(type), count]] : []))),
    }
  }

  #onTransaction(transaction: BinlogTransaction): void {
    this.#transactions++
    this.#executed?.()
    this.#executed = undefined
    this.#first ??= transaction
    this.#last = transaction
    if (transaction.gtid !== undefined) {
      this.#firstGtid ??= transaction.gtid
      this.#lastGtid = transaction.gtid
    }
    this.#options.onTransaction?.(transaction)
  }

  #malformed(event: WalkedEvent): Error {
    return damagedBinlog(this.#options.name, event.begin, `${eventTypeName(event.type)} does not hold what it must`)
  }

  #onEvent(event: WalkedEvent): void {
    if (this.#ends !== 'open' && event.stored) {
      throw damagedBinlog(
        this.#options.name,
        event.begin,
        `${eventTypeName(event.type)} follows the ${this.#ends.toUpperCase()} that ends it`,
      )
    }
    if (event.stored) this.#from ??= event.from
    this.#counts[event.type] = (this.#counts[event.type] ?? 0) + 1
    const body = event.bytes.subarray(eventHeaderBytes)
    const isDescription = event.type === eventType.FORMAT_DESCRIPTION
    if (isDescription) this.#onDescription(event)
    else if (this.#identityHex === undefined) this.#identify(event)
    let gtid: GroupGtid | undefined
    switch (event.type) {
      case eventType.GTID:
      case eventType.ANONYMOUS_GTID:
      case eventType.GTID_TAGGED:
        gtid = this.#mysqlGtid(event, body)
        break
      case eventType.MARIADB_GTID:
        gtid = this.#mariadbGtid(event, body)
        break
      case eventType.PREVIOUS_GTIDS: {
        const set = readPreviousGtids(body)
        if (set === undefined) throw this.#malformed(event)
        this.#progress?.beginWithSet(set)
        break
      }
      case eventType.GTID_LIST: {
        const list = readGtidList(body)
        if (list === undefined) throw this.#malformed(event)
        this.#progress?.beginWithList(list)
        break
      }
      case eventType.ROTATE:
        this.#onRotate(event, body)
        break
      case eventType.STOP:
        if (event.stored) this.#ends = 'stop'
        break
      case eventType.INCIDENT:
        if (this.#incidents.length < mostIncidents) this.#incidents.push(readIncident(body) ?? '')
        break
    }
    const postHeaderBytes = this.#walk.description?.postHeaderBytes[event.type - 1] || defaultPostHeaderBytes(event.type)
    if (!this.#groups.take(event, gtid, postHeaderBytes)) throw this.#malformed(event)
  }

  #onDescription(event: WalkedEvent): void {
    if (this.#progress !== undefined) return
    this.#progress = new GtidProgress(this.#options.gtidBefore, this.#walk.description?.flavour ?? 'mysql')
    this.#firstTimestamp = event.timestamp
    this.#inUse = (event.flags & eventFlag.IN_USE) !== 0
    const bytes = Buffer.from(event.bytes)
    bytes.writeUInt16LE(event.flags & ~eventFlag.IN_USE, 17)
    this.#identity.update(bytes)
  }

  /** By what follows the FORMAT_DESCRIPTION, which need not be a list of GTIDs. */
  #identify(event: WalkedEvent): void {
    if (event.type === eventType.START_ENCRYPTION) return
    if (event.type === eventType.PREVIOUS_GTIDS || event.type === eventType.GTID_LIST) this.#identity.update(event.bytes)
    this.#identityHex = this.#identity.digest('hex')
  }

  #onRotate(event: WalkedEvent, body: Buffer): void {
    if (!event.stored) return
    const rotate = readRotate(body)
    if (rotate === undefined) throw this.#malformed(event)
    this.#ends = 'rotate'
    this.#next = rotate.binlog
  }

  #mysqlGtid(event: WalkedEvent, body: Buffer): GroupGtid {
    const gtid = readMysqlGtid(event.type, body)
    if (gtid === undefined) throw this.#malformed(event)
    const committedAt = gtid.committedAt / 1000
    if (gtid.source === undefined) return { committedAt, begins: false }
    const { source, number } = gtid
    this.#executed = () => this.#progress?.addMysql(source, number)
    return { text: `${source}:${number}`, committedAt, begins: false }
  }

  #mariadbGtid(event: WalkedEvent, body: Buffer): GroupGtid {
    const read = readMariadbGtid(body, event.serverId)
    if (read === undefined) throw this.#malformed(event)
    this.#executed = () => this.#progress?.addMariadb(read.gtid)
    return { text: printMariadbGtid(read.gtid), committedAt: 0, begins: !read.standalone }
  }
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}

/** Where the FORMAT_DESCRIPTION does not say it. */
function defaultPostHeaderBytes(type: number): number {
  switch (type) {
    case eventType.QUERY:
    case eventType.QUERY_COMPRESSED:
      return 13
    case eventType.EXECUTE_LOAD_QUERY:
      return 26
    default:
      return type >= eventType.WRITE_ROWS && type <= eventType.DELETE_ROWS ? 10 : 8
  }
}

/** How often each type of event occurs in a whole binlog, by name. Throws what `BinlogScan` throws. */
export function countEvents(name: string, bytes: Uint8Array): Readonly<Record<string, number>> {
  const scan = new BinlogScan({ name })
  scan.push(bytes)
  return scan.end().events
}
