import type { Gap, RestoreWindow } from '@backup-planet/core'
import { describeDuration } from '../configuration/duration.ts'
import type { TaskStatus } from '../daemon/job-status.ts'
import type { FailureFacts } from './failure-text.ts'
import { printable } from './output.ts'
import { count } from './plan-text.ts'
import { textTable } from './text-table.ts'

export interface JobStatus {
  readonly job: string
  readonly tasks: readonly TaskStatus[]
  readonly windows: readonly RestoreWindow[]
  readonly gaps: readonly Gap[]
  /** How many of several repositories could not be listed. */
  readonly unlisted: number
  /** Of the latest state that can be restored. ISO 8601 in UTC. */
  readonly restorableUntil?: string
  /** Why no repository could be read. */
  readonly failure?: FailureFacts
}

/** @param now milliseconds since 1970 */
export function statusText(jobs: readonly JobStatus[], daemon: number | undefined, now: number): string {
  const watched = daemon === undefined ? 'no daemon watches this configuration' : `watched by the daemon, process ${daemon}`
  return [watched, ...jobs.map((status) => jobText(status, now))].join('\n\n')
}

function jobText(status: JobStatus, now: number): string {
  const { job, tasks } = status
  const rows = tasks.map((task) => [task.task, task.schedule, lastText(task, now), nextText(task, now)])
  const columns = [{ title: 'TASK' }, { title: 'SCHEDULE' }, { title: 'LAST RUN' }, { title: 'NEXT RUN' }]
  return [`${job}: ${restorableText(status, now)}`, ...(rows.length === 0 ? ['no schedule'] : [textTable(columns, rows)])].join('\n')
}

function restorableText({ windows, gaps, restorableUntil, failure }: JobStatus, now: number): string {
  if (failure !== undefined) return `what can be restored is not known: ${failure.code}: ${printable(failure.message)}`
  if (windows.length === 0 || restorableUntil === undefined) return 'nothing can be restored yet'
  const more = [windows.length > 1 ? count(windows.length, 'window') : '', gaps.length > 0 ? count(gaps.length, 'gap') : ''].filter(
    (text) => text !== '',
  )
  const details = more.length === 0 ? '' : `; ${more.join(', ')}, see "backup-planet windows"`
  return `restorable until ${seconds(restorableUntil)}, ${describeDuration(now - Date.parse(restorableUntil))} ago${details}`
}

function lastText({ lastRun, runningSince, failures }: TaskStatus, now: number): string {
  if (runningSince !== undefined) return `runs since ${seconds(runningSince)}`
  if (lastRun === undefined) return ''
  const failed = failures > 0 ? `, ${count(failures, 'attempt')} failed` : ''
  return `${lastRun.outcome} ${seconds(lastRun.endedAt)}, ${describeDuration(now - Date.parse(lastRun.endedAt))} ago${failed}`
}

function nextText({ next }: TaskStatus, now: number): string {
  if (next === undefined) return 'never'
  const wait = Date.parse(next) - now
  return wait <= 0 ? 'due now' : `${seconds(next)}, in ${describeDuration(wait)}`
}

function seconds(time: string): string {
  return time.replace(/\.\d+/, '')
}
