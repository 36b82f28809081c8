import { describeBytes } from '@backup-planet/core'
import { idOf } from './message-id.ts'
import { durationText, failureText, momentText, shownText, standingText, taskText } from './message-text.ts'
import type { NotificationMessage } from './notification-message.ts'
import type { FailureStreak, JobState, NotificationState, TaskState } from './notification-state.ts'
import type { RuleFacts } from './rule-result.ts'
import type { TaskFailure, TaskOutcome, TaskStart } from './task-outcome.ts'

export function startMessage(state: NotificationState, { job, task, at }: TaskStart, { host }: RuleFacts): NotificationMessage {
  const subject = `${job}: ${taskText(task)} begins`
  return { id: idOf(state, at, 'run-started'), type: 'run-started', severity: 'neutral', at, host, job, task, subject, body: `${subject}.` }
}

/** @param failure `isTold`: an earlier message told of it already, to others */
export function failedMessage(
  state: NotificationState,
  job: JobState,
  task: TaskState,
  outcome: TaskOutcome,
  { isTold, ...failure }: TaskFailure & { readonly isTold: boolean },
  { host }: RuleFacts,
): NotificationMessage {
  const { at } = outcome
  const now = isTold ? 'an earlier message of it could not be sent' : 'now it fails in another way'
  const partial = outcome.outcome === 'partial'
  const type = outcome.task === 'drill' ? 'drill-failed' : partial ? 'partial' : 'failed'
  const what = taskText(outcome.task)
  const standing = { lastSuccess: task.lastSuccess, restorableUntil: job.window?.until }
  const items = outcome.backup?.failedItems ?? []
  const since = task.streak === undefined ? [] : [`It has not been done since ${momentText(task.streak.since)}; ${now}.`]
  return {
    id: idOf(state, at, type),
    ...(task.streak === undefined ? {} : { answers: task.streak.message }),
    type,
    severity: partial ? 'warning' : 'bad',
    at,
    host,
    job: outcome.job,
    task: outcome.task,
    subject: `${outcome.job}: ${what} ${partial ? 'is partial' : 'failed'} (${failure.code})`,
    body: [
      `The ${what} of job ${outcome.job} on ${host} ${partial ? 'was only partial' : 'failed'}, ${momentText(at)}.`,
      ...since,
      '',
      failureText(failure),
      ...(items.length === 0 ? [] : [`  Not in this backup: ${shownText(items.join(', '))}`]),
      '',
      ...standingText(standing, at),
      '',
      'This is told once. The next word comes when it is done again or fails in another way; digests list it until then.',
    ].join('\n'),
    ...failure,
    ...standing,
  }
}

export function recoveredMessage(
  state: NotificationState,
  job: JobState,
  streak: FailureStreak,
  outcome: TaskOutcome,
  { host }: RuleFacts,
): NotificationMessage {
  const { at, backup, seconds } = outcome
  const type = outcome.task === 'drill' ? 'drill-recovered' : 'recovered'
  const what = taskText(outcome.task)
  const standing = { lastSuccess: at, restorableUntil: job.window?.until }
  const took = seconds === undefined ? '' : `, in ${durationText(seconds * 1000)}`
  const times = streak.failures === 1 ? 'once' : `${streak.failures} times`
  return {
    id: idOf(state, at, type),
    answers: streak.message,
    type,
    severity: 'good',
    at,
    host,
    job: outcome.job,
    task: outcome.task,
    subject: `${outcome.job}: ${what} works again`,
    body: [
      `The ${what} of job ${outcome.job} on ${host} is done again, ${momentText(at)}${took}.`,
      ...(backup === undefined ? [] : [`Backup ${backup.id}, ${backup.kind}, ${describeBytes(backup.bytes)}.`]),
      '',
      `It had failed ${times} since ${momentText(streak.since)}, for ${durationText(Date.parse(at) - Date.parse(streak.since))}, last with:`,
      failureText({ code: streak.last.code, message: streak.last.message }),
      '',
      ...standingText(standing, at).slice(1),
    ].join('\n'),
    code: streak.last.code,
    ...standing,
  }
}

export function growsAgainMessage(
  state: NotificationState,
  { job, task, at, windowEnd }: TaskOutcome,
  told: string,
  { host }: RuleFacts,
): NotificationMessage {
  return {
    id: idOf(state, at, 'window-grows-again'),
    answers: told,
    type: 'window-grows-again',
    severity: 'good',
    at,
    host,
    job,
    task,
    subject: `${job}: newer states can be restored again`,
    body: `Job ${job} on ${host} can be restored up to ${windowEnd === undefined ? 'now' : momentText(windowEnd)} again.`,
    restorableUntil: windowEnd,
  }
}

/** For who is told of every run. One that was aborted is neither. */
export function runMessages(
  state: NotificationState,
  outcome: TaskOutcome,
  failure: TaskFailure | undefined,
  { host }: RuleFacts,
): readonly NotificationMessage[] {
  const { job, task, at, seconds, backup } = outcome
  if (outcome.outcome === 'aborted') return []
  const done = outcome.outcome === 'done'
  const type = done ? 'run-succeeded' : 'run-failed'
  const took = seconds === undefined ? '' : ` in ${durationText(seconds * 1000)}`
  const size = backup === undefined ? '' : `, backup ${backup.id}, ${describeBytes(backup.bytes)}`
  const subject = `${job}: ${taskText(task)} ${outcome.outcome}${took}${size}`
  const body = failure === undefined ? subject : `${subject}\n${failureText(failure)}`
  return [{ id: idOf(state, at, type), type, severity: done ? 'good' : 'bad', at, host, job, task, subject, body, ...failure }]
}
