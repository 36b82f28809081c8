import * as z from 'zod'

/**
 * What is remembered of outcomes, as plain JSON. It may be lost: then what fails is told once more, and a digest begins anew. Nothing that
 * restores or plans reads it.
 */
const moment = z.iso.datetime()

const failure = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() })

const streak = z.object({
  /** When it first failed. */
  since: moment,
  /** How often, partial ones included. */
  failures: z.int(),
  /** In which ways, each told once. */
  told: z.array(z.string()),
  /** Of the message that told it first. */
  message: z.string(),
  /** Channels that gave up a message of it before anybody had it: they are told with the next failure. */
  missed: z.array(z.string()).optional(),
  last: failure,
  lastAt: moment,
})

const counts = z.object({
  done: z.int(),
  partial: z.int(),
  failed: z.int(),
  aborted: z.int(),
  bytes: z.number(),
  storedBytes: z.number(),
  seconds: z.number(),
})

const task = z.object({ lastSuccess: moment.optional(), streak: streak.optional(), counts })

const window = z.object({
  /** Up to when the job can be restored; left out while nothing of it can be. */
  until: moment.optional(),
  /** When `until` last moved, or the job was first seen. */
  movedAt: moment,
  /** The `id` of the message that told that it stands still. */
  told: z.string().optional(),
  /** Channels that gave that message up: they are told again. */
  missed: z.array(z.string()).optional(),
})

const job = z.object({ tasks: z.record(z.string(), task), window: window.optional() })

export const notificationStateSchema = z.object({
  /** How many messages were made, for their ids. */
  messages: z.int(),
  jobs: z.record(z.string(), job),
  digest: z.object({ countedSince: moment, due: moment }).optional(),
})

export type NotificationState = z.output<typeof notificationStateSchema>
export type JobState = z.output<typeof job>
export type TaskState = z.output<typeof task>
export type FailureStreak = z.output<typeof streak>
export type WindowState = z.output<typeof window>
export type TaskCounts = z.output<typeof counts>

export const emptyNotificationState: NotificationState = { messages: 0, jobs: {} }

export const noCounts: TaskCounts = { done: 0, partial: 0, failed: 0, aborted: 0, bytes: 0, storedBytes: 0, seconds: 0 }

/** Names may be those of members that every object has. */
export function jobStateOf(state: NotificationState, job: string): JobState {
  return (Object.hasOwn(state.jobs, job) ? state.jobs[job] : undefined) ?? { tasks: {} }
}

export function taskStateOf(state: JobState, task: string): TaskState {
  return (Object.hasOwn(state.tasks, task) ? state.tasks[task] : undefined) ?? { counts: noCounts }
}

export function withJobState(state: NotificationState, name: string, job: JobState): NotificationState {
  return { ...state, jobs: { ...state.jobs, [name]: job } }
}
