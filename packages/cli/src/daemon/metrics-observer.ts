import type { RunTelemetry } from '@backup-planet/core'
import type { DaemonObserver } from './daemon-observer.ts'

/** Hands the events of runs to the metrics, and until when a job can be restored once a run has moved that. */
export function metricsObserver(telemetry: RunTelemetry): DaemonObserver {
  return {
    onRunEvent: (told) => telemetry.observe(told),
    onScheduleEvent(event) {
      if (event.type === 'run-ended' && event.outcome === 'done' && event.backup !== undefined) {
        telemetry.note({ job: event.run.job, restorableUntil: event.backup.consistentAt })
      }
    },
  }
}
