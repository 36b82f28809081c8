import { checkPolicy, type RetryPolicy, retriesByDefault, type SchedulePolicy, scheduleTasks, weekdays } from '@backup-planet/core'
import * as z from 'zod'
import { parseDuration } from './duration.ts'

const cron = z.string('expected five cron fields such as "0 2 * * 0"')

const seconds = z.string('expected a duration such as 5m').transform((value, context) => {
  const milliseconds = parseDuration(value)
  if (milliseconds !== undefined && milliseconds >= 1000) return milliseconds / 1000
  context.issues.push({
    code: 'custom',
    input: value,
    message: `expected a duration such as 30s, 5m or 6h, found ${JSON.stringify(value)}`,
  })
  return z.NEVER
})

const timeOfDay = z.string('expected a time of the day in quotes such as "20:00"')

const windowSchema = z.strictObject({
  days: z.array(z.enum(weekdays, `expected one of ${weekdays.join(', ')}`)).optional(),
  from: timeOfDay,
  to: timeOfDay,
  tasks: z
    .array(z.enum(scheduleTasks, `expected one of ${scheduleTasks.join(', ')}`))
    .min(1, 'no task is named')
    .optional(),
})

/** The `schedule` of a job. */
export const scheduleSchema = z
  .strictObject({
    full: cron.optional(),
    differential: cron.optional(),
    log: cron.optional(),
    drill: cron.optional(),
    prune: cron.optional(),
    timezone: z.string('expected a time zone such as Europe/Paris').optional(),
    jitter: seconds.optional(),
    runMissed: z.boolean('expected true or false').optional(),
    windows: z.array(windowSchema, 'expected a list of windows such as [{ from: "20:00", to: "06:00" }]').optional(),
    retries: z
      .strictObject({
        times: z.int('expected a whole number').min(0, 'expected how often, 0 or more').max(100, 'expected 100 at most').optional(),
        wait: seconds.optional(),
      })
      .optional(),
    maximumDuration: seconds.optional(),
  })
  .superRefine((schedule, context) => {
    for (const { path, message } of checkPolicy(schedulePolicy('', schedule))) {
      context.addIssue({ code: 'custom', path: path[0] === 'entries' ? path.slice(1) : [...path], message })
    }
  })

export type ScheduleConfiguration = z.output<typeof scheduleSchema>

/** What core is asked by. Without a time zone it is the one of this machine. */
export function schedulePolicy(job: string, schedule: ScheduleConfiguration): SchedulePolicy {
  const { timezone, jitter, runMissed, windows, retries, maximumDuration } = schedule
  const entries = scheduleTasks.flatMap((task) => {
    const text = schedule[task]
    return text === undefined ? [] : [[task, text] as const]
  })
  return {
    job,
    entries: Object.fromEntries(entries),
    timezone: timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
    ...(jitter === undefined ? {} : { jitterSeconds: jitter }),
    ...(runMissed === undefined ? {} : { runMissed }),
    ...(windows === undefined ? {} : { windows: windows.map(plainWindow) }),
    ...(retries === undefined ? {} : { retries: retryPolicy(retries) }),
    ...(maximumDuration === undefined ? {} : { maximumDurationSeconds: maximumDuration }),
  }
}

function retryPolicy({ times, wait = retriesByDefault.waitSeconds }: NonNullable<ScheduleConfiguration['retries']>): RetryPolicy {
  return { waitSeconds: wait, ...(times === undefined ? {} : { times }) }
}

function plainWindow({ days, from, to, tasks }: z.output<typeof windowSchema>): NonNullable<SchedulePolicy['windows']>[number] {
  return { from, to, ...(days === undefined ? {} : { days }), ...(tasks === undefined ? {} : { tasks }) }
}
