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

/**
 * How two positions of one chain lie to each other: -1 when `a` is before `b`, 1 when it is after, 0 when they are the same point;
 * `undefined` when that cannot be told, as between two chains. Pure and total: it never throws, whatever text the positions hold,
 * and orders any three positions without contradiction.
 */
export type PositionOrder = (a: Position, b: Position) => -1 | 0 | 1 | undefined
