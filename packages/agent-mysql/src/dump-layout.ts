/**
 * What lies in the folder of one item. File names follow mydumper's directories, so that a reader who knows one knows the
 * other; identifiers in names pass through `encodeSegment`.
 *
 * Item `<schema>`, in the order in which it is staged:
 *
 * | file | holds |
 * | --- | --- |
 * | `metadata` | server, binlog file, position and GTID, as mydumper writes it |
 * | `objects.jsonl` | one {@link DumpObject} a line: what our own restore works from |
 * | `<schema>-schema-create.sql` | CREATE DATABASE |
 * | `<schema>.<sequence>-schema-sequence.sql` | CREATE SEQUENCE and its value |
 * | `<schema>.<table>-schema.sql` | CREATE TABLE, or the placeholder table of a view |
 * | `<schema>.<view>-schema-view.sql` | the view itself |
 * | `<schema>.<table>-schema-triggers.sql` | triggers, with their SQL mode and character sets |
 * | `<schema>-schema-post.sql` | functions, procedures, packages, then events |
 * | `<schema>.<table>.<00000>.dat.zst` | rows as `LOAD DATA` text, zstd; `.dat` where it is not compressed |
 * | `<schema>.<table>.<00000>.sql` | the one LOAD DATA statement for it, naming the `.dat` |
 * | `chunks.jsonl` | one {@link DumpChunk} or {@link DumpTableTotal} a line |
 *
 * Item `mysql` (the system schema is never copied as a schema): `metadata`, `objects.jsonl` with {@link DumpAccount} lines,
 * `users.sql` for a hand.
 *
 * Item `binlog`, the only one of a log backup, in the order of the log; it has no files where nothing was written since the backup before it:
 *
 * | file | holds |
 * | --- | --- |
 * | `<binlog>` | a whole binlog, as the server has it, decrypted: `mysql-bin.000012` |
 * | `<binlog>.<offset, 12 digits>` | a part of one: its FORMAT_DESCRIPTION and what stands right behind that, then the events from `offset` on |
 * | `binlogs.jsonl` | one {@link BinlogFileFacts} a line |
 */
export const layoutFiles = {
  metadata: 'metadata',
  objects: 'objects.jsonl',
  chunks: 'chunks.jsonl',
  users: 'users.sql',
  binlogs: 'binlogs.jsonl',
} as const

export const accountsItem = 'mysql'
export const binlogItem = 'binlog'

/** One file of a log backup. Times are ISO 8601 in UTC; GTIDs and their sets are there where the log has them. */
export interface BinlogFileFacts {
  /** Name in the item. */
  readonly file: string
  /** Name on the server. */
  readonly binlog: string
  /** Offsets on the server: of the first event that is not repeated from the beginning of the binlog (0 for a whole one), and behind the last. */
  readonly from: number
  readonly to: number
  readonly bytes: number
  readonly sha256?: string
  /** As the FORMAT_DESCRIPTION says it. */
  readonly serverVersion: string
  /** When the server began the binlog. */
  readonly createdAt?: string
  /**
   * SHA-256 of the FORMAT_DESCRIPTION, without in-use flag and checksum, and of the PREVIOUS_GTIDS or GTID_LIST behind it: tells binlogs of one name
   * apart.
   */
  readonly identity: string
  readonly transactions: number
  /** When the first and the last transaction were committed. */
  readonly firstAt?: string
  readonly lastAt?: string
  readonly firstGtid?: string
  readonly lastGtid?: string
  /** GTID set (MySQL) or list (MariaDB) of all transactions before `from`, and before `to`. */
  readonly gtidBefore?: string
  readonly gtidAfter?: string
  /** `open` for a part, and for a binlog that a crash of the server cut. */
  readonly ends: 'rotate' | 'stop' | 'open'
}

export type DumpObject = DumpSchema | DumpSequence | DumpTable | DumpView | DumpRoutine | DumpTrigger | DumpEvent | DumpAccount

/** The session a stored program was created in; it must be there again when it is created anew. */
export interface ProgramContext {
  readonly sqlMode: string
  readonly characterSetClient: string
  readonly collationConnection: string
  readonly databaseCollation: string
  /** Events only. */
  readonly timeZone?: string
}

export interface DumpSchema {
  readonly type: 'schema'
  readonly name: string
  readonly characterSet: string
  readonly collation: string
  /** `SHOW CREATE DATABASE`. */
  readonly create: string
}

export interface DumpSequence {
  readonly type: 'sequence'
  readonly name: string
  readonly create: string
  /** `next_not_cached_value`, a decimal of up to 20 digits. */
  readonly next: string
}

export interface DumpTable {
  readonly type: 'table'
  readonly name: string
  readonly engine: string
  readonly transactional: boolean
  /** `SHOW CREATE TABLE`, as the server prints it. */
  readonly create: string
  readonly columns: readonly DumpColumn[]
  /** Columns in the order in which they stand in a row of the data files; generated ones are not among them. */
  readonly dataColumns: readonly string[]
  /** MariaDB: data files hold every version of a row with its period; `dataColumns` ends with the two period columns. */
  readonly history: boolean
  /** Why rows were left out, such as `engine FEDERATED keeps its rows elsewhere`. */
  readonly dataLeftOut?: string
  /** Rows are of the common snapshot, or only of the moment in which the table was read. */
  readonly consistency: 'snapshot' | 'locked' | 'none'
}

export interface DumpColumn {
  readonly name: string
  /** Lower-case `information_schema` DATA_TYPE: `int`, `varchar`, `bit`, `geometry`. */
  readonly dataType: string
  readonly columnType: string
  readonly nullable: boolean
  readonly characterSet?: string
  readonly collation?: string
  readonly generated?: 'virtual' | 'stored'
  readonly invisible?: true
  /**
   * How `LOAD DATA` puts the field into the column: as it is, or through a user variable: `bit` is a decimal (of an ENUM with a
   * member `''` too, where it is the number of the member),
   * `json` is UTF-8 text (UUID, INET4 and INET6 too, which would take binary text for their value), `geometry` is SRID and WKB as the server stores it, `float` is the shortest decimal of the DOUBLE value.
   */
  readonly load: 'plain' | 'bit' | 'json' | 'geometry' | 'float'
}

export interface DumpView {
  readonly type: 'view'
  readonly name: string
  readonly create: string
  readonly columns: readonly string[]
  readonly context: ProgramContext
  /** It did not work in the source either: what it names is gone, or its definer lacks rights. A restore that cannot create it only warns. */
  readonly broken?: true
}

export interface DumpRoutine {
  readonly type: 'routine'
  readonly kind: 'function' | 'procedure' | 'package' | 'package body'
  readonly name: string
  readonly create: string
  readonly context: ProgramContext
}

export interface DumpTrigger {
  readonly type: 'trigger'
  readonly name: string
  readonly table: string
  readonly create: string
  readonly context: ProgramContext
}

export interface DumpEvent {
  readonly type: 'event'
  readonly name: string
  /** `SHOW CREATE EVENT`; restored disabled, and enabled at the very end when it was enabled. */
  readonly create: string
  readonly status: string
  readonly context: ProgramContext
}

export interface DumpAccount {
  readonly type: 'account'
  readonly kind: 'user' | 'role'
  readonly user: string
  /** Empty for a MariaDB role. */
  readonly host: string
  /** `SHOW CREATE USER` without DEFAULT ROLE, or `CREATE ROLE`. Holds password hashes. */
  readonly create: string
  /** MariaDB prints how long passwords last apart, when the present one has been made to expire: `ALTER USER … PASSWORD EXPIRE INTERVAL 90 DAY`. */
  readonly alter?: string
  /** Granted roles first, then grants, then the default role. */
  readonly grants: readonly string[]
}

export type DumpChunkLine = DumpChunk | DumpTableTotal

export interface DumpChunk {
  readonly type: 'chunk'
  readonly table: string
  /** Name of the `.dat.zst` or `.dat` in the item. */
  readonly file: string
  readonly rows: number
  /** Of the text before compression. */
  readonly bytes: number
  /** Of the text before compression, lower-case hex. */
  readonly sha256: string
}

export interface DumpTableTotal {
  readonly type: 'table-total'
  readonly table: string
  readonly rows: number
  /** Order-free checksum by the server in the same snapshot, where the settings asked for it. */
  readonly checksum?: string
}
