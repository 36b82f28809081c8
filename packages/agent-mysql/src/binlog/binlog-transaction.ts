/** What a replay applies wholly or not at all: a transaction, a statement that commits by itself, or one step of an XA transaction. */
export interface BinlogTransaction {
  /** From its first event to behind its last one, in the bytes that were read. */
  readonly begin: number
  readonly end: number
  /** The same on the server. */
  readonly from: number
  readonly to: number
  /**
   * When it was committed, in milliseconds since 1970 by the clock of the server: in MySQL 8 to the microsecond. Elsewhere that of its last event in
   * whole seconds: somewhere in that second, and for a statement that commits by itself the time at which it began.
   */
  readonly time: number
  /** Whether `time` is more than a whole second. */
  readonly exact: boolean
  /** `uuid:5`, `uuid:tag:5` or `0-1-5`; without for logs without GTIDs and for anonymous transactions. */
  readonly gtid?: string
  /** The beginning of its first statement where the log has it, without quoted values, for people. */
  readonly statement?: string
  /** `schema.table` of the first tables whose rows it changes. */
  readonly tables: readonly string[]
}
