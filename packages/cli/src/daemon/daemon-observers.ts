import type { DaemonObserverFactory } from './daemon-observer.ts'
import { logLines } from './log-lines.ts'
import { notifyingObserver } from './notifying-observer.ts'

/** Who hears what the daemon does. A further observer is plugged in here. */
export const observerFactories: readonly DaemonObserverFactory[] = [logLines, notifyingObserver]
