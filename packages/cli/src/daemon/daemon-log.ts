import type { RunEvent, RunObserver } from '@backup-planet/core'
import { type DestinationStream, type Logger, pino } from 'pino'
import type { SecretMask } from '../configuration/secret-mask.ts'

export interface DaemonLogSettings {
  /** Takes whole lines; standard output when left out, from which systemd takes them to the journal. */
  readonly destination?: DestinationStream
  readonly mask: SecretMask
  /** What is less is left out; `info` when left out. Bytes and items are `debug`. */
  readonly level?: 'debug' | 'info' | 'warn' | 'error'
}

export interface DaemonLog {
  /** To be handed every event of every run: one line each, with the job, the task and the id of the run. */
  readonly observe: RunObserver
  /** What the daemon itself has to say. */
  say(level: 'info' | 'warn' | 'error', message: string, facts?: Readonly<Record<string, unknown>>): void
}

/** JSON lines, each with `level`, `time` (ISO 8601 in UTC) and `msg`; every text in them passes the secret mask. Rotation is left to who takes the lines. */
export function createDaemonLog({ destination, mask, level = 'info' }: DaemonLogSettings): DaemonLog {
  const logger: Logger = pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ?? pino.destination({ fd: 1, sync: true }),
  )
  const runs = new Map<string, string>()
  const write = (at: 'debug' | 'info' | 'warn' | 'error', message: string, facts: Readonly<Record<string, unknown>>) => {
    if (logger.isLevelEnabled(at)) logger[at](mask.hideIn(facts) as object, mask.hide(message))
  }
  return {
    observe({ job, task, event }) {
      const key = JSON.stringify([job, task])
      if (event.type === 'started' && event.id !== undefined) runs.set(key, event.id)
      const run = runs.get(key)
      write(levelOf(event), messageOf(event), { job, task, ...(run === undefined ? {} : { run }), event })
      if (event.type === 'finished') runs.delete(key)
    },
    say: (at, message, facts = {}) => write(at, message, facts),
  }
}

function levelOf(event: RunEvent): 'debug' | 'info' | 'warn' | 'error' {
  switch (event.type) {
    case 'bytes':
    case 'step':
      return 'debug'
    case 'item':
      return event.state === 'failed' ? 'error' : 'debug'
    case 'problem':
      return event.problem.severity === 'error' ? 'error' : 'warn'
    case 'waiting':
    case 'stalled':
    case 'promoted':
      return 'warn'
    case 'drilled':
      return event.outcome === 'passed' ? 'info' : 'error'
    case 'finished':
      return event.outcome === 'done' ? 'info' : event.outcome === 'failed' ? 'error' : 'warn'
    default:
      return 'info'
  }
}

function messageOf(event: RunEvent): string {
  if (event.type === 'problem' || event.type === 'waiting') return event.problem.message
  if (event.type === 'finished') return `finished: ${event.outcome}`
  return event.type
}
