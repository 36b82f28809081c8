import type { BucketRule, KeepRules } from './retention-rules.ts'
import { bucketRules } from './retention-rules.ts'

/**
 * Why a backup is kept: `no-rules`, by a rule (`last` to `within`), `future` (it began after now), `needed` (of what is kept, something is
 * restored from it), `log-window` (the oldest full backup that is kept is older), `last-restorable` (of the job), `last-of-item`, `gone-item` (the last of
 * an item that newer fulls lack, for 30 days), `first-without-item` (the first of these fulls), `newest-history` (it tells which of several histories is the newest),
 * `stays` (the caller said so, such as of one that the store retains). Why it is removed: `superseded` (by a newer one in the same hour, day, …), `expired`
 * (older than all that the rules keep), `before-log-window`; and beside one of them `gone-item-expired` (nothing newer brings back an item that fulls have lacked for long).
 */
export type RetentionReasonCode =
  | 'no-rules'
  | 'last'
  | 'hourly'
  | 'daily'
  | 'weekly'
  | 'monthly'
  | 'yearly'
  | 'within'
  | 'future'
  | 'needed'
  | 'log-window'
  | 'last-restorable'
  | 'last-of-item'
  | 'gone-item'
  | 'first-without-item'
  | 'newest-history'
  | 'stays'
  | 'superseded'
  | 'expired'
  | 'before-log-window'
  | 'gone-item-expired'

export interface RetentionReason {
  readonly code: RetentionReasonCode
  /** A clause with the values, such as `daily 2026-03-01`. */
  readonly message: string
  /** The backup that it speaks of. */
  readonly backup?: string
}

/** Of each rule that takes the newest of something, what its reason is called. */
export const bucketCodes = {
  keepLast: 'last',
  keepHourly: 'hourly',
  keepDaily: 'daily',
  keepWeekly: 'weekly',
  keepMonthly: 'monthly',
  keepYearly: 'yearly',
} as const satisfies Readonly<Record<BucketRule, RetentionReasonCode>>

const units: Readonly<Record<BucketRule, string>> = {
  keepLast: 'last',
  keepHourly: 'hours',
  keepDaily: 'days',
  keepWeekly: 'weeks',
  keepMonthly: 'months',
  keepYearly: 'years',
}

export function neededBy(id: string): RetentionReason {
  return { code: 'needed', message: `needed by ${id}`, backup: id }
}

export function expired(rules: KeepRules): RetentionReason {
  const parts = bucketRules.flatMap((rule) => {
    const count = rules[rule] ?? 0
    if (count === 0) return []
    return [rule === 'keepLast' ? `the last ${count}` : `of ${count} ${units[rule]}`]
  })
  if (rules.keepWithin !== undefined && rules.keepWithin > 0)
    parts.push(`all less than ${spanText(rules.keepWithin)} older than the newest`)
  return { code: 'expired', message: `older than what is kept: ${parts.join(', ')}` }
}

/** In the largest unit that it is a whole number of: `14d`, `36h`. */
export function spanText(milliseconds: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const
  const [unit, factor] = units.find(([, size]) => milliseconds % size === 0 && milliseconds >= size) ?? ['ms', 1]
  return `${milliseconds / factor}${unit}`
}
