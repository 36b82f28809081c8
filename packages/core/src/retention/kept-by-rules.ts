import type { Calendar } from './calendar-buckets.ts'
import { bucketCodes, expired, type RetentionReason, spanText } from './retention-reasons.ts'
import { areEmpty, bucketRules, type KeepRules } from './retention-rules.ts'

/** A backup by itself: when its run began, in milliseconds. */
export interface DatedBackup {
  readonly id: string
  readonly began: number
}

export interface RuleOutcome {
  readonly id: string
  /** Empty for one that no rule keeps. */
  readonly keeps: readonly RetentionReason[]
  /** Why no rule keeps it. */
  readonly removes: RetentionReason
}

interface Bucket {
  left: number
  name?: string
  /** The newest of the present one, when it is kept. */
  newest?: string | undefined
}

/**
 * What the rules say of one group of backups, each by itself. Those that began after now are kept, and take the place of no other. An age is counted from
 * the newest of the others, so that time alone, in which a job fails or a clock jumps ahead, makes nothing older.
 */
export function keptByRules(group: readonly DatedBackup[], rules: KeepRules, now: number, calendar: Calendar): RuleOutcome[] {
  const buckets = new Map(bucketRules.map((rule): readonly [typeof rule, Bucket] => [rule, { left: rules[rule] ?? 0 }]))
  const newestFirst = group.toSorted((a, b) => b.began - a.began || (a.id < b.id ? 1 : -1))
  const newest = newestFirst.find(({ began }) => began <= now)?.began ?? now
  return newestFirst.map(({ id, began }): RuleOutcome => {
    let removes = expired(rules)
    if (areEmpty(rules)) return { id, keeps: [{ code: 'no-rules', message: 'no rule is given for it' }], removes }
    if (!(began <= now)) return { id, keeps: [futureOf(began)], removes }
    const keeps: RetentionReason[] = []
    for (const [rule, bucket] of buckets) {
      if (rule === 'keepLast') {
        if (bucket.left-- > 0) keeps.push({ code: 'last', message: `among the last ${rules.keepLast}` })
        continue
      }
      if (bucket.left <= 0 && bucket.newest === undefined) continue
      const name = calendar.nameOf(rule, began)
      if (name === bucket.name) {
        if (bucket.newest !== undefined) removes = supersededBy(bucket.newest, `${bucketCodes[rule]} ${name}`)
        continue
      }
      bucket.name = name
      bucket.newest = bucket.left > 0 ? id : undefined
      if (bucket.left-- > 0) keeps.push({ code: bucketCodes[rule], message: `${bucketCodes[rule]} ${name}` })
    }
    if (rules.keepWithin !== undefined && newest - began < rules.keepWithin) {
      keeps.push({ code: 'within', message: `less than ${spanText(rules.keepWithin)} older than the newest` })
    }
    return { id, keeps, removes }
  })
}

function supersededBy(id: string, as: string): RetentionReason {
  return { code: 'superseded', message: `superseded by ${id}, which is ${as}`, backup: id }
}

function futureOf(began: number): RetentionReason {
  const when = Number.isNaN(began) ? 'at a time that cannot be read' : `at ${new Date(began).toISOString()}, which has yet to come`
  return { code: 'future', message: `it began ${when}` }
}
