import type { ScheduledRun, ScheduleEvent } from '@backup-planet/core'
import type { Health } from './metrics-server.ts'

export interface DaemonHealth {
  observe(event: ScheduleEvent): void
  /** Only these jobs are still watched: what others failed at is nobody's concern any more. */
  watch(jobs: readonly string[]): void
  /** Not healthy as long as the last run of some task has failed, or the schedule has not looked at its clock for long. */
  health(): Health
}

interface FailedTask {
  readonly job: string
  readonly task: string
  /** ISO 8601 in UTC. */
  readonly since: string
  readonly code: string
}

/** @param now milliseconds since 1970; @param hangsAfter milliseconds without a look at the clock */
export function createDaemonHealth(now: () => number, hangsAfter: number): DaemonHealth {
  const failed = new Map<string, FailedTask>()
  let lookedAt = now()
  return {
    observe(event) {
      if (event.type === 'idle') lookedAt = now()
      if (event.type !== 'run-ended' || event.outcome === 'aborted') return
      const { job, task } = event.run
      const key = keyOf(event.run)
      if (event.outcome !== 'failed') failed.delete(key)
      else if (!failed.has(key))
        failed.set(key, { job, task, since: new Date(now()).toISOString(), code: event.failure?.code ?? 'UNKNOWN' })
    },
    watch(jobs) {
      for (const [key, { job }] of failed) if (!jobs.includes(job)) failed.delete(key)
    },
    health() {
      const hangs = now() - lookedAt > hangsAfter
      return { healthy: failed.size === 0 && !hangs, details: { failed: [...failed.values()], schedule: hangs ? 'hangs' : 'watches' } }
    },
  }
}

function keyOf({ job, task }: ScheduledRun): string {
  return JSON.stringify([job, task])
}
