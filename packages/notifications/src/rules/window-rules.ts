import { idOf } from './message-id.ts'
import { durationText, momentText } from './message-text.ts'
import type { NotificationMessage } from './notification-message.ts'
import { jobStateOf, type NotificationState, type WindowState, withJobState } from './notification-state.ts'
import type { RuleFacts, RuleResult } from './rule-result.ts'
import type { TaskOutcome } from './task-outcome.ts'

export interface SeenWindow {
  readonly state: WindowState | undefined
  /** The `id` of the message that told that it stood still, when it moves again. */
  readonly growsAgain?: string
}

/** What an outcome says of the window of its job. One that ends earlier than before has not moved: it grows from where it is now. */
export function seenWindow(before: WindowState | undefined, { windowEnd, at }: TaskOutcome): SeenWindow {
  if (windowEnd === undefined) return { state: before }
  const moved = before?.until === undefined || Date.parse(windowEnd) > Date.parse(before.until)
  if (!moved) return { state: { ...before, until: windowEnd } }
  const state = { until: windowEnd, movedAt: at }
  return before?.told === undefined ? { state } : { state, growsAgain: before.told }
}

/**
 * Tells of each job whose window has not moved for longer than its limit, once until it moves again, and those channels again that gave the
 * message up. Of a job that never had one the time counts from when it was first asked about.
 *
 * @param limits milliseconds, by job; jobs without one are left alone
 */
export function applyWindowLimits(
  before: NotificationState,
  now: string,
  limits: Readonly<Record<string, number>>,
  facts: RuleFacts,
): RuleResult {
  let state = before
  const messages: NotificationMessage[] = []
  const only: Record<string, readonly string[]> = {}
  for (const [name, limit] of Object.entries(limits)) {
    const job = jobStateOf(state, name)
    const window: WindowState = job.window ?? { movedAt: now }
    const { missed, ...seen } = window
    const still = Date.parse(now) - Date.parse(window.movedAt)
    if (still <= limit || (window.told !== undefined && missed === undefined)) {
      // A clock that was set back must not hide a window that stands still for as long as it was ahead.
      if (job.window === undefined || still < 0)
        state = withJobState(state, name, { ...job, window: { ...window, movedAt: still < 0 ? now : window.movedAt } })
      continue
    }
    const message = stoppedMessage(state, name, window, now, limit, facts)
    messages.push(message)
    if (missed !== undefined) only[message.id] = missed
    const told = withJobState(state, name, { ...job, window: { ...seen, told: window.told ?? message.id } })
    state = { ...told, messages: told.messages + 1 }
  }
  return { state, messages, ...(Object.keys(only).length === 0 ? {} : { only }) }
}

function stoppedMessage(
  state: NotificationState,
  job: string,
  window: WindowState,
  now: string,
  limit: number,
  { host }: RuleFacts,
): NotificationMessage {
  const failing = Object.entries(jobStateOf(state, job).tasks).filter(([, { streak }]) => streak !== undefined)
  const until =
    window.until === undefined
      ? 'Nothing of it can be restored yet'
      : `It can be restored until ${momentText(window.until)}, and not to anything newer`
  return {
    id: idOf(state, now, 'window-stopped-growing'),
    type: 'window-stopped-growing',
    severity: 'bad',
    at: now,
    host,
    job,
    subject: `${job}: ${window.until === undefined ? 'nothing can be restored yet' : `nothing newer than ${momentText(window.until)} can be restored`}`,
    body: [
      `What can be restored of job ${job} on ${host} has not grown for ${durationText(Date.parse(now) - Date.parse(window.movedAt))}; it should at least every ${durationText(limit)}.`,
      `${until}.`,
      '',
      failing.length === 0
        ? 'No run has failed: see that the job is started at all, by the daemon, cron or a timer, and that its server still writes logs.'
        : `What fails: ${failing.map(([task, { streak }]) => `${task} (${streak?.last.code}) since ${momentText(streak?.since ?? now)}`).join(', ')}.`,
      `What to do: run "backup-planet check ${job}" and "backup-planet windows ${job}".`,
    ].join('\n'),
    restorableUntil: window.until,
  }
}
