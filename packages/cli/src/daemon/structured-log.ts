import type { RunEvent, ScheduleEvent } from '@backup-planet/core'
import { type Level, pino } from 'pino'
import type { DaemonEvent, DaemonObserverFactory } from './daemon-observer.ts'
import { daemonText, leftOut, runText, scheduleText } from './text-log.ts'

export type LogLevel = Extract<Level, 'debug' | 'info' | 'warn' | 'error'>

/**
 * JSON lines with `level`, `time` (ISO 8601 in UTC), `event` and `msg`, and with `job`, `task` and `run` where they are about a run. Every text in
 * them passes the secret mask. What is less than `level` is left out: bytes, items and steps are `debug`.
 */
export function structuredLog(level: LogLevel): DaemonObserverFactory {
  return ({ output, mask, now }) => {
    const logger = pino(
      {
        level,
        base: null,
        timestamp: () => `,"time":"${new Date(now()).toISOString()}"`,
        formatters: { level: (label) => ({ level: label }) },
      },
      { write: (line: string) => output.log(line.trimEnd()) },
    )
    /** The id of the run of a job's task, until that has ended. */
    const runs = new Map<string, string>()
    const write = (at: LogLevel, message: string, facts: object): void => {
      // The message as an argument of a format that has none else: it may hold percent signs.
      if (logger.isLevelEnabled(at)) logger[at](mask.hideIn(facts) as object, '%s', mask.hide(message))
    }
    return {
      onRunEvent({ job, task, event }) {
        const key = JSON.stringify([job, task])
        if (event.type === 'started' && event.id !== undefined) runs.set(key, event.id)
        const run = runs.get(key)
        write(runLevel(event), runText(event) ?? event.type, { job, task, ...(run === undefined ? {} : { run }), event })
        if (event.type === 'finished') runs.delete(key)
      },
      onScheduleEvent(event) {
        const about = 'run' in event ? { job: event.run.job, task: event.run.task } : {}
        write(scheduleLevel(event), scheduleText(event) ?? event.type, { ...about, event })
      },
      onDaemonEvent(event) {
        write(daemonLevel(event), daemonText(event), { event })
      },
    }
  }
}

function runLevel(event: RunEvent): LogLevel {
  if (leftOut.has(event.type)) return event.type === 'item' && event.state === 'failed' ? 'error' : 'debug'
  switch (event.type) {
    case 'problem':
      return event.problem.severity === 'error' ? 'error' : 'warn'
    case 'waiting':
    case 'stalled':
    case 'promoted':
      return 'warn'
    case 'drilled':
      return event.outcome === 'passed' ? 'info' : event.outcome === 'partial' ? 'warn' : 'error'
    case 'finished':
      return outcomeLevel(event.outcome)
    default:
      return 'info'
  }
}

function scheduleLevel(event: ScheduleEvent): LogLevel {
  switch (event.type) {
    case 'idle':
      return 'debug'
    case 'run-ended':
      return outcomeLevel(event.outcome)
    case 'slots-left-out':
    case 'history-unknown':
      return 'warn'
    case 'schedule-broken':
    case 'state-unsaved':
      return 'error'
    default:
      return 'info'
  }
}

function outcomeLevel(outcome: string): LogLevel {
  if (outcome === 'done') return 'info'
  return outcome === 'failed' ? 'error' : 'warn'
}

function daemonLevel({ type }: DaemonEvent): LogLevel {
  return type === 'configuration-refused' ? 'error' : 'info'
}
