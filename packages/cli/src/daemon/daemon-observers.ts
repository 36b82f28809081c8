import type { DaemonObserverFactory } from './daemon-observer.ts'
import { logLines } from './log-lines.ts'

/** Who hears what the daemon does. A further observer is plugged in here. */
export const observerFactories: readonly DaemonObserverFactory[] = [logLines]
