import type { DaemonObserverFactory } from './daemon-observer.ts'
import { eventLines } from './event-lines.ts'
import { notifyingObserver } from './notifying-observer.ts'
import { structuredLog } from './structured-log.ts'
import { textLog } from './text-log.ts'

/** As the configuration says: lines for people, or JSON for who collects logs. */
const log: DaemonObserverFactory = (context, workspace) => {
  const { log: format, logLevel } = workspace.configuration.content.daemon
  const make = format === 'json' ? structuredLog(logLevel) : textLog
  return make(context, workspace)
}

/** Who hears what the daemon does. A further observer is plugged in here. */
export const observerFactories: readonly DaemonObserverFactory[] = [log, eventLines, notifyingObserver]
