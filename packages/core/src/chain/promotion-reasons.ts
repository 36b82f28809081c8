import type { Position } from '../contracts/index.ts'
import type { ChainLink } from './chain-link.ts'
import { describePosition } from './position-order.ts'

/** Why a full is made where another kind was wanted: stable codes. */
export type PromotionCode =
  | 'no-full'
  | 'chain-changed'
  | 'history-broken'
  | 'position-ahead'
  | 'not-comparable'
  | 'last-incomplete'
  | 'no-logs'
  | 'logs-purged'
  | 'foreign-full'

export interface PromotionReason {
  readonly code: PromotionCode
  /** A clause with the values, as `CaptureFacts.reason` has it. */
  readonly message: string
}

export function noFull(): PromotionReason {
  return { code: 'no-full', message: 'there is no full backup yet that could be continued' }
}

export function chainChanged(stored: string, server: string): PromotionReason {
  return {
    code: 'chain-changed',
    message: `the last backup is of the history ${stored} and the server is in ${server}: it was replaced, reset or restored`,
  }
}

export function historyBroken(clause: string): PromotionReason {
  return { code: 'history-broken', message: `the server no longer continues what was backed up: ${clause}` }
}

export function positionAhead({ id, to }: ChainLink, server: Position): PromotionReason {
  const stored = to === undefined ? 'an unknown position' : describePosition(to)
  return {
    code: 'position-ahead',
    message: `backup ${id} ends at ${stored} and the server is only at ${describePosition(server)}: it was restored or reset`,
  }
}

export function notComparable({ id, to }: ChainLink, server: Position): PromotionReason {
  const stored = to === undefined ? 'an unknown position' : describePosition(to)
  return {
    code: 'not-comparable',
    message: `backup ${id} ends at ${stored} and the server is at ${describePosition(server)}: neither comes before the other, so they are of histories that parted`,
  }
}

export function lastIncomplete({ id, failed, backup }: ChainLink): PromotionReason {
  const why = backup.limitedTo === undefined ? `is partial, ${failed.join(', ')} failed` : `was limited to ${backup.limitedTo.join(', ')}`
  return { code: 'last-incomplete', message: `the full backup ${id} ${why}, and nothing may be built on it` }
}

export function noLogs(): PromotionReason {
  return { code: 'no-logs', message: 'the server keeps no logs that could be backed up' }
}

export function logsPurged({ id, to }: ChainLink, oldest: Position): PromotionReason {
  const stored = to === undefined ? 'an unknown position' : describePosition(to)
  return {
    code: 'logs-purged',
    message: `backup ${id} ends at ${stored} and the logs of the server begin only at ${describePosition(oldest)}: what is between was purged, or backed up by somebody else`,
  }
}

export function foreignFull(base: Position, newest: ChainLink): PromotionReason {
  const ours = newest.to === undefined ? '' : `, and the newest of ours, ${newest.id}, is at ${describePosition(newest.to)}`
  return {
    code: 'foreign-full',
    message: `the differentials of the server build on a full backup at ${describePosition(base)} that is not there${ours}: somebody else made it`,
  }
}
