import type { FormatDescription } from './binlog-event.ts'

/** How a binlog ends: the server went on in another one, was shut down, or still writes to it or died. */
export type BinlogEnd = 'rotate' | 'stop' | 'open'

/** What a binlog is found to be. Times are ISO 8601, UTC; GTIDs and their sets are there where the log has them. */
export interface BinlogFacts {
  readonly binlog: string
  /** Offsets on the server: of the first byte, and behind the last one. */
  readonly from: number
  readonly to: number
  readonly bytes: number
  readonly serverVersion: string
  readonly flavour: FormatDescription['flavour']
  readonly checksum: FormatDescription['checksum']
  /** When the server began the file. */
  readonly createdAt?: string
  /** SHA-256 of the FORMAT_DESCRIPTION, without in-use flag and checksum, and of the PREVIOUS_GTIDS or GTID_LIST behind it: tells files of one name apart. */
  readonly identity: string
  /** Whether the server says that it writes to the file, or died while it did. */
  readonly inUse: boolean
  readonly transactions: number
  readonly firstAt?: string
  readonly lastAt?: string
  readonly firstGtid?: string
  readonly lastGtid?: string
  readonly gtidBefore?: string
  readonly gtidAfter?: string
  readonly ends: BinlogEnd
  /** The binlog that a ROTATE names. */
  readonly next?: string
  /** Where a transaction begins that does not end in these bytes: offset in them. */
  readonly unfinished?: number
  /** What the server says that it has lost; a replay lacks it. The first few. */
  readonly incidents: readonly string[]
  /** Name of each type → how many. */
  readonly events: Readonly<Record<string, number>>
}
