import { describePosition } from '../chain/position-order.ts'
import type { Position } from '../contracts/index.ts'

/** A position as an operator names it. */
export interface AskedPosition {
  /** The newest history that holds it when left out. */
  readonly chain?: string
  readonly value: Position['value']
}

/** What a job is brought back to. `chain` chooses among histories that parted; the newest that holds it when left out. */
export type RestoreGoal =
  | { readonly latest: true; readonly chain?: string }
  /**
   * ISO 8601 in UTC, by the server's clock: everything that was changed before it. With `nearest` a moment that cannot be restored stands for
   * the nearest before it that can.
   */
  | { readonly at: string; readonly chain?: string; readonly nearest?: boolean }
  /** The state at the end of a backup, by its id. */
  | { readonly backup: string }
  /** Everything up to it. */
  | { readonly position: AskedPosition }
  /** Everything before the change that ends at it or contains it, itself excluded. */
  | { readonly beforePosition: AskedPosition }

/** As in "cannot be restored to …". */
export function describeGoal(goal: RestoreGoal): string {
  if ('at' in goal) return goal.at
  if ('backup' in goal) return `backup ${goal.backup}`
  if ('position' in goal) return `the position ${described(goal.position)}`
  if ('beforePosition' in goal) return `just before ${described(goal.beforePosition)}`
  return 'its latest state'
}

function described({ value }: AskedPosition): string {
  return describePosition({ chain: '', value })
}
