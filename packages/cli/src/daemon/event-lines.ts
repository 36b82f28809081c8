import type { DaemonObserverFactory } from './daemon-observer.ts'
import { leftOut } from './text-log.ts'

/** With `--json`: a line on standard output for each thing that happens. */
export const eventLines: DaemonObserverFactory = ({ output, now }) => {
  const emit = (value: object): void => output.emit({ at: new Date(now()).toISOString(), ...value })
  return {
    onRunEvent({ job, task, event }) {
      if (!leftOut.has(event.type)) emit({ job, task, ...event })
    },
    onScheduleEvent(event) {
      if (event.type !== 'idle') emit(event)
    },
    onDaemonEvent: emit,
  }
}
