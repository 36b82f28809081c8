import { binlogMagic, type FormatDescription } from '../binlog/binlog-event.ts'
import { eventFlag } from '../binlog/binlog-event-type.ts'
import type { BinlogPiece } from '../binlog/binlog-stream.ts'
import { GtidProgress } from '../binlog/gtid-progress.ts'
import { parseMariadbGtid } from '../binlog/mariadb-gtid.ts'
import { beginningOfBinlog } from '../mysql-position.ts'
import { type FollowedPlace, ReceivedBinlog } from './received-binlog.ts'

/** What was received of one binlog, from one transaction to another. */
export interface SpooledPart {
  readonly binlog: string
  /** Offset on the server of the first event; 0 for a part that begins with the binlog. */
  readonly begin: number
  /** Offset on the server behind the last event. */
  readonly end: number
  /** The server went on in another binlog. */
  readonly closed: boolean
  /** Of the binlog, for a part that does not begin with it. */
  readonly identity?: string | undefined
  readonly createdAt?: string | undefined
  readonly gtidBefore: string | undefined
  /** What a file has to begin with that holds just this part; empty where the part begins with the binlog. */
  readonly head: Buffer
  /** The events; left out for a transaction that is larger than what is kept: it has to be read again. */
  readonly content?: readonly Buffer[]
}

/** Everything whole that has come since the last time. */
export interface SpooledParts {
  /** At least one, oldest first. */
  readonly parts: readonly SpooledPart[]
  /** Where they end, and the identity of that binlog. */
  readonly to: { readonly file: string; readonly offset: string; readonly gtid: string }
  readonly identity: string | undefined
  /** When the last transaction was committed, in milliseconds; left out where there is none. */
  readonly lastTime?: number
}

/**
 * Keeps what a server sends to who follows it until it is taken, and gives whole transactions only. Pure. Beyond `limit` bytes of one transaction it keeps
 * nothing but where that lies; who adds no more while {@link full} bounds it otherwise.
 */
export class FollowSpool {
  readonly #limit: number
  readonly #place: FollowedPlace
  readonly #progress: GtidProgress
  #closed: SpooledPart[] = []
  #file: ReceivedBinlog
  #begin: number
  /** Up to where transactions are whole. */
  #boundary: number
  /** From `#begin` on. */
  #pieces: BinlogPiece[] = []
  #bytes = 0
  #closedBytes = 0
  #tooLarge = false
  #gtidBefore: string | undefined
  #lastTime: number | undefined

  constructor(limit: number, place: FollowedPlace, flavour: FormatDescription['flavour']) {
    this.#limit = limit
    this.#place = place
    this.#progress = new GtidProgress(place.gtid, flavour)
    this.#gtidBefore = this.#progress.after
    this.#begin = place.offset === Number(beginningOfBinlog) ? 0 : place.offset
    this.#boundary = this.#begin
    this.#file = this.#receive(place.file, this.#begin)
  }

  /** Something whole has come, and where it ends can be told from any other place. */
  get ready(): boolean {
    return this.#boundary > this.#begin || (this.#closed.length > 0 && this.#file.identity !== undefined)
  }

  /** Something whole has come that nothing may follow any more. */
  get rest(): boolean {
    return this.ready || this.#closed.length > 0
  }

  /** As much is kept as may be, and some of it can be taken. */
  get full(): boolean {
    return this.ready && this.bytes >= this.#limit
  }

  get bytes(): number {
    return this.#bytes + this.#closedBytes
  }

  /** Copies what it keeps. Throws `CORRUPTED` for what is no sound binlog. */
  push(received: BinlogPiece): void {
    if (received.binlog !== this.#file.binlog) this.#turnTo(received.binlog)
    this.#file.take(received)
    if (received.head) return
    const piece = { ...received, bytes: Buffer.from(received.bytes) }
    clearInUse(piece)
    this.#pieces.push(piece)
    this.#bytes += piece.bytes.length
    if (this.#tooLarge || (this.#boundary <= this.#begin && this.#bytes > this.#limit)) this.#letGo()
  }

  /** What is whole. Only while there is a {@link rest}. */
  take(): SpooledParts {
    const parts = [...this.#closed, ...(this.#boundary > this.#begin ? [this.#cut(this.#boundary, false)] : [])]
    this.#closed = []
    this.#closedBytes = 0
    const last = parts.at(-1)
    const gtid = this.#progress.after ?? ''
    const lastTime = this.#lastTime
    this.#lastTime = undefined
    const to =
      last === undefined || last.closed
        ? { file: this.#file.binlog, offset: beginningOfBinlog }
        : { file: last.binlog, offset: String(last.end) }
    return { parts, to: { ...to, gtid }, identity: this.#file.identity, ...(lastTime === undefined ? {} : { lastTime }) }
  }

  #receive(binlog: string, begin: number): ReceivedBinlog {
    return new ReceivedBinlog(binlog, begin, begin === 0 ? undefined : this.#place, (transaction) => {
      this.#boundary = transaction.to
      this.#lastTime = Math.max(this.#lastTime ?? Number.NEGATIVE_INFINITY, transaction.time)
      this.#addGtid(transaction.gtid)
    })
  }

  /** Everything of a binlog is whole once the server goes on in the next. */
  #turnTo(binlog: string): void {
    const end = this.#file.end
    this.#closedBytes += this.#bytes
    if (end > this.#begin) this.#closed.push(this.#cut(end, true))
    this.#pieces = []
    this.#bytes = 0
    this.#tooLarge = false
    this.#begin = 0
    this.#boundary = 0
    this.#file = this.#receive(binlog, 0)
  }

  /** Takes the part up to `end` off the pieces. */
  #cut(end: number, closed: boolean): SpooledPart {
    const { binlog, head, identity, createdAt } = this.#file
    const begin = this.#begin
    const content: Buffer[] = []
    const left: BinlogPiece[] = []
    for (const piece of this.#pieces) {
      const within = Math.max(0, Math.min(piece.bytes.length, end - piece.position))
      if (within > 0) content.push(piece.bytes.subarray(0, within))
      if (within < piece.bytes.length) left.push({ ...piece, position: piece.position + within, bytes: piece.bytes.subarray(within) })
    }
    const large = this.#tooLarge
    this.#pieces = left
    this.#bytes = left.reduce((sum, { bytes }) => sum + bytes.length, 0)
    this.#tooLarge = false
    this.#begin = end
    this.#boundary = end
    const gtidBefore = this.#gtidBefore
    this.#gtidBefore = this.#progress.after
    return {
      binlog,
      begin,
      end,
      closed,
      gtidBefore,
      head: begin === 0 ? Buffer.alloc(0) : head,
      ...(begin === 0 ? {} : { identity, createdAt }),
      ...(large ? {} : { content }),
    }
  }

  /** Of a transaction that is too large only its place is kept, and what comes behind it. */
  #letGo(): void {
    if (this.#boundary > this.#begin) {
      // What is left of the pieces begins before the boundary and ends behind it.
      this.#closed.push(this.#cut(this.#boundary, false))
      return
    }
    this.#tooLarge = true
    this.#pieces = []
    this.#bytes = 0
  }

  #addGtid(text: string | undefined): void {
    if (text === undefined) return
    const mariadb = parseMariadbGtid(text)
    const colon = text.lastIndexOf(':')
    if (mariadb !== undefined) this.#progress.addMariadb(mariadb)
    else this.#progress.addMysql(text.slice(0, colon), BigInt(text.slice(colon + 1)))
  }
}

/** LOG_EVENT_BINLOG_IN_USE_F in the FORMAT_DESCRIPTION, which is no part of its checksum: the server takes it away when it closes the binlog. */
function clearInUse({ position, bytes }: BinlogPiece): void {
  const at = binlogMagic.length + 17 - position
  const flags = bytes[at]
  if (flags !== undefined) bytes[at] = flags & ~eventFlag.IN_USE
}
