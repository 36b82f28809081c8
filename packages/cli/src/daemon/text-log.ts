import type { RunEvent, ScheduledRun, ScheduleEvent } from '@backup-planet/core'
import { describeDuration } from '../configuration/duration.ts'
import { printable } from '../output/output.ts'
import { problemsText } from '../output/plan-text.ts'
import type { DaemonEvent, DaemonObserverFactory } from './daemon-observer.ts'

/** Too many for a log that is kept for months. */
export const leftOut: ReadonlySet<RunEvent['type']> = new Set(['bytes', 'item', 'step'])

/** One line for each thing that happens, with its time unless the journal adds that. */
export const textLog: DaemonObserverFactory = ({ output, now, environment }) => {
  const time = (): string => (environment.JOURNAL_STREAM === undefined ? `${new Date(now()).toISOString().replace(/\.\d+/, '')} ` : '')
  const say = (text: string | undefined): void => {
    if (text !== undefined) output.remark(`${time()}${text}`)
  }
  return {
    onRunEvent({ job, task, event }) {
      if (leftOut.has(event.type)) return
      const text = runText(event)
      if (text !== undefined) say(`${job} ${task}: ${text}`)
    },
    onScheduleEvent(event) {
      if (event.type === 'idle') return
      say(scheduleText(event))
    },
    onDaemonEvent(event) {
      say(daemonText(event))
    },
  }
}

export function runText(event: RunEvent): string | undefined {
  switch (event.type) {
    case 'resuming':
      return `sends run ${event.id} first, which an earlier run could not send`
    case 'promoted':
      return `becomes a ${event.kind}: ${printable(event.reason ?? 'no backup that is there can be continued')}`
    case 'stored':
      return `backup ${event.id} is stored, ${event.status}`
    case 'problem':
      return problemsText([event.problem])
    case 'stalled':
      return `no byte has moved for ${describeDuration(event.seconds * 1000)}`
    default:
      return undefined
  }
}

export function scheduleText(event: ScheduleEvent): string | undefined {
  switch (event.type) {
    case 'run-started':
      return `${named(event.run)}: begins${slotText(event.run)}`
    case 'run-ended':
      return `${named(event.run)}: ${endText(event)}`
    case 'run-deferred':
      return `${named(event.run)}: waits ${event.seconds} s: ${printable(event.problem.message)}`
    case 'run-fulfilled-elsewhere':
      return `${named(event.run)}: another machine has made it`
    case 'slots-left-out':
      return `${event.job} ${event.task}: ${times(event.slots)} missed and left out, the last of ${event.slot}`
    case 'history-unknown':
      return `${event.job}: begins with its next slots, since what was run before cannot be read: ${printable(event.problem.message)}`
    case 'schedule-broken':
      return `${event.job}: a mistake in the program, looked at again in a minute: ${printable(event.problem.message)}`
    case 'state-unsaved':
      return `what was run cannot be noted: ${printable(event.problem.message)}`
    default:
      return undefined
  }
}

function slotText({ slot, slots, attempt }: ScheduledRun): string {
  const caughtUp = slots > 1 ? `, makes up for ${slots} slots` : ''
  return ` for ${slot}${caughtUp}${attempt > 1 ? `, attempt ${attempt}` : ''}`
}

function endText(event: Extract<ScheduleEvent, { type: 'run-ended' }>): string {
  const { outcome, seconds, failure, retryAt, givenUp } = event
  const why = failure === undefined ? '' : `: ${failure.code}: ${printable(failure.message)}\n  hint: ${printable(failure.hint)}`
  const next = retryAt === undefined ? (givenUp ? '\n  not tried again before its next slot' : '') : `\n  tried again at ${retryAt}`
  return `${outcome} after ${describeDuration(seconds * 1000)}${why}${next}`
}

export function daemonText(event: DaemonEvent): string {
  switch (event.type) {
    case 'daemon-started':
      return `watching ${event.jobs.length === 0 ? 'no jobs: none has a schedule' : `jobs ${event.jobs.join(', ')}`}`
    case 'configuration-reloaded':
      return `configuration reloaded: watching ${event.jobs.length === 0 ? 'no jobs' : `jobs ${event.jobs.join(', ')}`}`
    case 'configuration-refused':
      return `the configuration is wrong, the one before stays: ${printable(event.failure.message)}\n  hint: ${printable(event.failure.hint)}`
    case 'daemon-stopping':
      return `stopping: what runs may go on for ${describeDuration(event.graceSeconds * 1000)}`
  }
}

function named({ job, task }: ScheduledRun): string {
  return `${job} ${task}`
}

function times(count: number): string {
  return count === 1 ? 'one slot' : `${count} slots`
}
