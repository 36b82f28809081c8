/** `full` stands alone; `differential` needs its full; `log` needs everything since its full. */
export type CaptureKind = 'full' | 'differential' | 'log'

/**
 * A point in an application's history: an LSN, an SCN, a binlog position with its GTID set.
 * Comparable only within one `chain`; only the agent that wrote it can order it.
 */
export interface Position {
  /** Which history: server identity and timeline. It changes when the application's history forks or restarts. */
  readonly chain: string
  /** The agent's own fields as text, such as `file`, `offset` and `gtid`. */
  readonly value: Readonly<Record<string, string>>
}
