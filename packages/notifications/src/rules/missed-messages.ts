import type { NotificationMessage } from './notification-message.ts'
import { type JobState, jobStateOf, type NotificationState, withJobState } from './notification-state.ts'

/** A message that a channel has given up. */
export interface MissedMessage {
  readonly channel: string
  readonly message: NotificationMessage
}

/** Notes which channels never heard of what is still wrong, so that the next word of it is for them as well. What is over by now is left alone. */
export function withMissed(before: NotificationState, missed: readonly MissedMessage[]): NotificationState {
  let state = before
  for (const { channel, message } of missed) {
    const { job: name } = message
    if (name === undefined) continue
    const job = jobStateOf(state, name)
    const noted = message.type === 'window-stopped-growing' ? windowMissed(job, message, channel) : streakMissed(job, message, channel)
    if (noted !== job) state = withJobState(state, name, noted)
  }
  return state
}

function windowMissed(job: JobState, { at }: NotificationMessage, channel: string): JobState {
  const { window } = job
  if (window?.told === undefined || Date.parse(at) < Date.parse(window.movedAt)) return job
  return { ...job, window: { ...window, missed: withName(window.missed, channel) } }
}

function streakMissed(job: JobState, { type, task, at }: NotificationMessage, channel: string): JobState {
  if (task === undefined || !['failed', 'partial', 'drill-failed'].includes(type) || !Object.hasOwn(job.tasks, task)) return job
  const state = job.tasks[task]
  if (state?.streak === undefined || Date.parse(at) < Date.parse(state.streak.since)) return job
  const streak = { ...state.streak, missed: withName(state.streak.missed, channel) }
  return { ...job, tasks: { ...job.tasks, [task]: { ...state, streak } } }
}

function withName(names: readonly string[] = [], name: string): string[] {
  return [...new Set([...names, name])]
}
