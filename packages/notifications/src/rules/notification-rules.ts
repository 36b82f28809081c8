import { shownText } from './message-text.ts'
import type { NotificationMessage } from './notification-message.ts'
import {
  type FailureStreak,
  type JobState,
  jobStateOf,
  type NotificationState,
  type TaskState,
  taskStateOf,
  withJobState,
} from './notification-state.ts'
import { failedMessage, growsAgainMessage, recoveredMessage, runMessages, startMessage } from './outcome-messages.ts'
import type { RuleFacts, RuleResult } from './rule-result.ts'
import type { TaskFailure, TaskOutcome, TaskStart } from './task-outcome.ts'
import { seenWindow } from './window-rules.ts'

/**
 * What is told of an outcome, and what is remembered of it. Pure. All failed and partial outcomes of one task of one job in a row are one
 * streak: it is told with its first one, and again for each code that it has not been told with; its end is told once, by the first one
 * that is done. Channels that gave up a message of the streak are told with its next failure. Outcomes that were aborted change nothing.
 */
export function applyOutcome(state: NotificationState, outcome: TaskOutcome, facts: RuleFacts): RuleResult {
  const job = jobStateOf(state, outcome.job)
  const window = seenWindow(job.window, outcome)
  const seen: JobState = { ...job, ...(window.state === undefined ? {} : { window: window.state }) }
  const told = toldOf(state, seen, outcome, facts)
  const remembered = withJobState(state, outcome.job, { ...seen, tasks: { ...seen.tasks, [outcome.task]: told.task } })
  const first = numbered(remembered, told.messages)
  const { growsAgain } = window
  const second = numbered(first.state, growsAgain === undefined ? [] : [growsAgainMessage(first.state, outcome, growsAgain, facts)])
  const failure = outcome.outcome === 'done' ? undefined : failureOf(outcome)
  const third = numbered(second.state, runMessages(second.state, outcome, failure, facts))
  return {
    state: third.state,
    messages: [first, second, third].flatMap(({ messages }) => messages),
    ...(told.only === undefined ? {} : { only: told.only }),
  }
}

/** What is told of a task that begins: nothing is remembered of it. */
export function applyStart(state: NotificationState, start: TaskStart, facts: RuleFacts): RuleResult {
  return numbered(state, [startMessage(state, start, facts)])
}

/** The state behind these messages: each has taken a number. */
function numbered(state: NotificationState, messages: readonly NotificationMessage[]): RuleResult {
  return { state: { ...state, messages: state.messages + messages.length }, messages }
}

interface Told extends Pick<RuleResult, 'messages' | 'only'> {
  readonly task: TaskState
}

function toldOf(state: NotificationState, job: JobState, outcome: TaskOutcome, facts: RuleFacts): Told {
  const before = taskStateOf(job, outcome.task)
  const task = counted(before, outcome)
  if (outcome.outcome === 'aborted') return { task, messages: [] }
  if (outcome.outcome !== 'done') return toldFailure(state, job, task, outcome, facts)
  const { streak, ...healthy } = { ...task, lastSuccess: outcome.at }
  return { task: healthy, messages: streak === undefined ? [] : [recoveredMessage(state, job, streak, outcome, facts)] }
}

function toldFailure(state: NotificationState, job: JobState, task: TaskState, outcome: TaskOutcome, facts: RuleFacts): Told {
  const failure = failureOf(outcome)
  const way = `${outcome.outcome} ${failure.code}`
  const { told: ways = [], missed = [] } = task.streak ?? {}
  const isTold = ways.includes(way)
  const message = failedMessage(state, job, task, outcome, { ...failure, isTold }, facts)
  const streak: FailureStreak = {
    since: task.streak?.since ?? outcome.at,
    failures: (task.streak?.failures ?? 0) + 1,
    told: [...new Set([...ways, way])],
    message: task.streak?.message ?? message.id,
    last: failure,
    lastAt: outcome.at,
  }
  const told = { task: { ...task, streak }, messages: [message] }
  if (!isTold) return told
  return missed.length === 0 ? { ...told, messages: [] } : { ...told, only: { [message.id]: missed } }
}

/** Why an outcome is none to be content with: its failure, or the gravest of its problems. */
function failureOf({ outcome, failure, problems = [], backup }: TaskOutcome): TaskFailure & { readonly hint?: string } {
  const failedItems = backup?.failedItems ?? []
  const gravest = problems.find(({ severity }) => severity === 'error') ?? (outcome === 'partial' ? problems[0] : undefined)
  const found = failure ??
    gravest ?? {
      code: 'UNKNOWN',
      message: failedItems.length === 0 ? 'nothing was said about why' : `failed: ${failedItems.join(', ')}`,
    }
  const hint = found.hint === undefined ? {} : { hint: shownText(found.hint) }
  return { code: found.code, message: shownText(found.message), ...hint }
}

function counted(task: TaskState, { outcome, backup, seconds = 0 }: TaskOutcome): TaskState {
  const { counts } = task
  return {
    ...task,
    counts: {
      ...counts,
      [outcome]: counts[outcome] + 1,
      bytes: counts.bytes + (backup?.bytes ?? 0),
      storedBytes: counts.storedBytes + (backup?.storedBytes ?? 0),
      seconds: counts.seconds + seconds,
    },
  }
}
