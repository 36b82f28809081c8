/** What a job may have a schedule for. The first three are kinds of backups. */
export const scheduleTasks = ['full', 'differential', 'log', 'drill', 'prune'] as const

export type ScheduleTask = (typeof scheduleTasks)[number]

/** When the work of one job begins. Plain data; `checkPolicy` says what is wrong with it. */
export interface SchedulePolicy {
  /** Name of the job; the jitter depends on it. */
  readonly job: string
  /**
   * For each task a cron expression: minute, hour, day of the month, month, day of the week, and if there are six fields the second in front. Lists, ranges and steps, names of months
   * and days, `L`, `W` and `#` are those of croner (https://croner.56k.guru/usage/pattern/).
   */
  readonly entries: Readonly<Partial<Record<ScheduleTask, string>>>
  /** By which the expressions and the windows are read; a name of the IANA time zone database such as `Europe/Paris`. */
  readonly timezone: string
  /** A run begins up to so many seconds after its slot: always as many for one slot of one task, and never as late as the next slot. 0 when left out. */
  readonly jitterSeconds?: number
  /** When runs may start. What is due outside of them starts when the next one opens. At any time when left out. */
  readonly windows?: readonly StartWindow[]
  /** Slots that passed while nobody watched, such as with the machine off, are caught up by one run. `true` when left out. */
  readonly runMissed?: boolean
  /** What follows a failed run; `retriesByDefault` when left out. */
  readonly retries?: RetryPolicy
  /** A run that takes longer is aborted, and counts as failed. */
  readonly maximumDurationSeconds?: number
}

export interface RetryPolicy {
  /** How often a slot is tried again before it is given up; until the next slot of the task comes due, and never beyond it, when left out. */
  readonly times?: number
  /** Before the first retry; doubled before each further one, up to an hour or to this if it is more. */
  readonly waitSeconds: number
}

export const retriesByDefault: RetryPolicy = { waitSeconds: 60 }

export const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const

export type Weekday = (typeof weekdays)[number]

/** From one time of the day up to another, which it does not include. One that ends before it begins goes on past midnight. */
export interface StartWindow {
  /** On which it begins; on every day when left out. */
  readonly days?: readonly Weekday[]
  /** `HH:MM`, from 00:00. */
  readonly from: string
  /** `HH:MM`, up to 24:00. */
  readonly to: string
  /** It is for these; for all when left out. A task that no window is for may start at any time. */
  readonly tasks?: readonly ScheduleTask[]
}
