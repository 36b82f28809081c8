import { binlogMagic, readEventHeader, readFormatDescription } from '../binlog/binlog-event.ts'
import { BinlogScan } from '../binlog/binlog-scan.ts'
import type { BinlogPiece } from '../binlog/binlog-stream.ts'
import type { BinlogTransaction } from '../binlog/binlog-transaction.ts'
import { partHead } from './part-head.ts'

/** The binlog and the place in it at which following begins. */
export interface FollowedPlace {
  readonly file: string
  /** 4 for its beginning. */
  readonly offset: number
  readonly gtid: string | undefined
  readonly identity: string
  readonly createdAt?: string | undefined
}

/** More than magic and FORMAT_DESCRIPTION have. */
const mostHeadBytes = 2048

/** One binlog as it comes, checked event by event. */
export class ReceivedBinlog {
  readonly binlog: string
  readonly #scan: BinlogScan
  readonly #place: FollowedPlace | undefined
  #beginning = Buffer.alloc(0)
  #sent = Buffer.alloc(0)
  /** Offset on the server behind what has come. */
  end: number

  /** @param place where it begins to come, when that is not its beginning */
  constructor(binlog: string, begin: number, place: FollowedPlace | undefined, onTransaction: (transaction: BinlogTransaction) => void) {
    this.binlog = binlog
    this.end = begin
    this.#place = place
    this.#scan = new BinlogScan({ name: binlog, begin: place?.offset, onTransaction })
  }

  take({ head, position, bytes }: BinlogPiece): void {
    this.#scan.push(bytes)
    if (head) this.#sent = Buffer.concat([this.#sent, bytes])
    else {
      this.end = position + bytes.length
      if (this.#place === undefined && this.#beginning.length < mostHeadBytes) {
        this.#beginning = Buffer.concat([this.#beginning, bytes.subarray(0, mostHeadBytes)])
      }
    }
  }

  /** What parts of it begin with that begin later. */
  get head(): Buffer {
    return this.#place === undefined ? (partHead(this.#beginning) ?? Buffer.alloc(0)) : this.#sent
  }

  get identity(): string | undefined {
    return this.#place === undefined ? this.#scan.identity : this.#place.identity
  }

  get createdAt(): string | undefined {
    if (this.#place !== undefined) return this.#place.createdAt
    const first = this.#beginning.subarray(binlogMagic.length)
    const description = readFormatDescription(first.subarray(0, readEventHeader(first).size))
    const seconds = description === undefined ? 0 : description.created || readEventHeader(first).timestamp
    return seconds === 0 ? undefined : new Date(seconds * 1000).toISOString()
  }
}
