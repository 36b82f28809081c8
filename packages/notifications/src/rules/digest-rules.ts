import { describeBytes } from '@backup-planet/core'
import { type DigestSchedule, nextDigest } from './digest-schedule.ts'
import { isListedBadly, type ListedWindow, windowLines } from './listed-window.ts'
import { idOf } from './message-id.ts'
import { durationText, momentText, taskText } from './message-text.ts'
import type { NotificationMessage } from './notification-message.ts'
import { type JobState, jobStateOf, type NotificationState, noCounts, type TaskState } from './notification-state.ts'
import type { RuleFacts, RuleResult } from './rule-result.ts'

/**
 * Makes the digest when it is due, and counts anew from then on. Several that were missed, since nothing ran, are one. The first is due at
 * the first of its times after it was first asked for.
 *
 * @param jobs that are configured: what else is remembered is of jobs that are gone, and is forgotten
 * @param listed what can be restored of them, as it was looked up just now; of those that are left out it is said as far as runs have told it
 */
export function applyDigest(
  before: NotificationState,
  now: string,
  schedule: DigestSchedule,
  jobs: readonly string[],
  facts: RuleFacts,
  listed: Readonly<Record<string, ListedWindow>> = {},
): RuleResult {
  const time = Date.parse(now)
  const due = new Date(nextDigest(schedule, time)).toISOString()
  const { digest } = before
  // Also where the schedule was changed: the next one is never later than it says.
  if (digest === undefined || Date.parse(digest.due) > Date.parse(due)) {
    return { state: { ...before, digest: { countedSince: digest?.countedSince ?? now, due } }, messages: [] }
  }
  if (time < Date.parse(digest.due)) return { state: before, messages: [] }
  const known = jobs.map((name) => ({
    name,
    job: jobStateOf(before, name),
    listed: Object.hasOwn(listed, name) ? listed[name] : undefined,
  }))
  const message = digestMessage(before, now, digest.countedSince, known, facts)
  const kept = jobs.map((name) => [name, countedAnew(jobStateOf(before, name))] as const)
  const state = { messages: before.messages + 1, jobs: Object.fromEntries(kept), digest: { countedSince: now, due } }
  return { state, messages: [message] }
}

/** Whether `applyDigest` would make one. */
export function isDigestDue({ digest }: NotificationState, now: string): boolean {
  return digest !== undefined && Date.parse(digest.due) <= Date.parse(now)
}

interface DigestedJob {
  readonly name: string
  readonly job: JobState
  readonly listed: ListedWindow | undefined
}

function countedAnew(job: JobState): JobState {
  return { ...job, tasks: Object.fromEntries(Object.entries(job.tasks).map(([name, task]) => [name, { ...task, counts: noCounts }])) }
}

function digestMessage(
  state: NotificationState,
  now: string,
  since: string,
  jobs: readonly DigestedJob[],
  { host }: RuleFacts,
): NotificationMessage {
  const failing = jobs.filter(isFailing).map(({ name }) => name)
  const standing = failing.length === 0 ? 'all well' : `failing: ${failing.join(', ')}`
  return {
    id: idOf(state, now, 'digest'),
    type: 'digest',
    severity: failing.length === 0 ? 'neutral' : 'warning',
    at: now,
    host,
    subject: `backups of ${host}: ${standing}`,
    body: [
      `What ran on ${host} from ${momentText(since)} to ${momentText(now)}: ${standing}.`,
      ...jobs.flatMap((digested) => ['', ...jobLines(digested, now)]),
      ...(jobs.length === 0 ? ['', 'No job is configured.'] : []),
    ].join('\n'),
  }
}

function isFailing({ job: { tasks, window }, listed }: DigestedJob): boolean {
  return window?.told !== undefined || isListedBadly(listed) || Object.values(tasks).some(({ streak }) => streak !== undefined)
}

function jobLines(digested: DigestedJob, now: string): readonly string[] {
  const { name, job, listed } = digested
  const tasks = Object.entries(job.tasks)
  return [
    `${name}${isFailing(digested) ? ' (failing)' : ''}`,
    ...(tasks.length === 0 ? ['  nothing has run'] : tasks.flatMap(([task, state]) => taskLines(task, state, now))),
    ...windowLines(job.window, listed, now),
  ]
}

function taskLines(task: string, { counts, streak, lastSuccess }: TaskState, now: string): readonly string[] {
  const ran = (['done', 'partial', 'failed', 'aborted'] as const)
    .filter((outcome) => counts[outcome] > 0)
    .map((outcome) => `${counts[outcome]} ${outcome}`)
  const sizes =
    counts.bytes === 0
      ? ''
      : `, ${describeBytes(counts.bytes)}${counts.storedBytes === 0 ? '' : `, ${describeBytes(counts.storedBytes)} stored`}`
  const took = counts.seconds < 1 ? '' : `, ${durationText(counts.seconds * 1000)} in all`
  const failing =
    streak === undefined ? [] : [`    failing since ${momentText(streak.since)}: ${streak.last.code} ${streak.last.message.split('\n')[0]}`]
  const last =
    lastSuccess === undefined
      ? ', never done as far as is known here'
      : `, last done ${durationText(Date.parse(now) - Date.parse(lastSuccess))} before`
  return [`  ${taskText(task)}: ${ran.length === 0 ? 'did not run' : ran.join(', ')}${sizes}${took}${last}`, ...failing]
}
