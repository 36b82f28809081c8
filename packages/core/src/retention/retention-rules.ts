import { BackupError } from '../errors/backup-error.ts'

/** What is kept of one group of backups. A backup that any of them keeps is kept; without any, all are. */
export interface KeepRules {
  /** The newest so many. */
  readonly keepLast?: number | undefined
  /** The newest of each of so many hours, days, weeks (from Monday), months and years in which there is a backup, the newest of them first. */
  readonly keepHourly?: number | undefined
  readonly keepDaily?: number | undefined
  readonly keepWeekly?: number | undefined
  readonly keepMonthly?: number | undefined
  readonly keepYearly?: number | undefined
  /** All that are younger than this, in milliseconds, counted back from the newest backup, not from now. */
  readonly keepWithin?: number | undefined
}

/** What is kept of a job: full and differential backups by the rules at the top. */
export interface RetentionRules extends KeepRules {
  /** For differential backups by themselves; those at the top are then for full backups alone. */
  readonly differential?: KeepRules | undefined
  /** For log backups. Left out, logs are kept as long as the oldest full backup that is kept needs them. */
  readonly log?: KeepRules | undefined
}

export const bucketRules = ['keepLast', 'keepHourly', 'keepDaily', 'keepWeekly', 'keepMonthly', 'keepYearly'] as const
export type BucketRule = (typeof bucketRules)[number]

const ruleNames: readonly (keyof KeepRules)[] = [...bucketRules, 'keepWithin']

/** Throws `INVALID_INPUT` for numbers that are none, and for rules that would keep nothing. */
export function assertRules(rules: RetentionRules): void {
  assertKeepRules(rules, '')
  if (rules.differential !== undefined) assertKeepRules(rules.differential, 'differential.')
  if (rules.log !== undefined) assertKeepRules(rules.log, 'log.')
}

function assertKeepRules(rules: KeepRules, below: string): void {
  const given = ruleNames.filter((name) => rules[name] !== undefined)
  for (const name of given) {
    const value = rules[name]
    if (Number.isSafeInteger(value) && Number(value) >= 0) continue
    throw new BackupError(`the rule ${below}${name} is ${value}`, { code: 'INVALID_INPUT', hint: 'Give a whole number, 0 or more.' })
  }
  if (given.length === 0 || given.some((name) => Number(rules[name]) > 0)) return
  throw new BackupError(`the rules ${given.map((name) => `${below}${name}`).join(', ')} are all 0 and would keep nothing`, {
    code: 'INVALID_INPUT',
    hint: 'Say of at least one how much it keeps, or leave the rules out, which keeps everything.',
  })
}

/** Whether these choose at all. */
export function areEmpty(rules: KeepRules): boolean {
  return ruleNames.every((name) => rules[name] === undefined)
}
