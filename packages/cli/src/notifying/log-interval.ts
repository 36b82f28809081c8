import { Cron } from 'croner'

/** So many runs are looked at: a week of every quarter of an hour. */
const runsLookedAt = 700

/** The longest time between two runs of a schedule, in milliseconds; `undefined` where it has no two. */
export function longestInterval(cron: string, from: Date): number | undefined {
  const runs = new Cron(cron, { paused: true, timezone: 'UTC' }).nextRuns(runsLookedAt, from)
  const intervals = runs.slice(1).map((run, index) => run.getTime() - (runs[index]?.getTime() ?? 0))
  return intervals.length === 0 ? undefined : Math.max(...intervals)
}
