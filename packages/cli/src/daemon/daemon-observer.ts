import type { RunEvent, ScheduleEvent, ScheduleTask } from '@backup-planet/core'
import type { CommandContext } from '../command-context.ts'
import type { FailureFacts } from '../output/failure-text.ts'
import type { Workspace } from '../workspace/workspace.ts'

/** What happens in one run, as it happens. */
export interface ToldRunEvent {
  readonly job: string
  readonly task: ScheduleTask
  readonly event: RunEvent
}

/** What the daemon says of itself. */
export type DaemonEvent =
  | { readonly type: 'daemon-started'; readonly jobs: readonly string[] }
  | { readonly type: 'configuration-reloaded'; readonly jobs: readonly string[] }
  /** The configuration is wrong: the one before stays. */
  | { readonly type: 'configuration-refused'; readonly failure: FailureFacts }
  | { readonly type: 'daemon-stopping'; readonly graceSeconds: number }

/** Hears everything: logs, notifications, metrics. Must return quickly; what it throws is not heard. */
export interface DaemonObserver {
  onRunEvent?(told: ToldRunEvent): void
  onScheduleEvent?(event: ScheduleEvent): void
  onDaemonEvent?(event: DaemonEvent): void
  /** Before the daemon ends, and when the configuration was reloaded: says what is still to be said. */
  close?(): Promise<void>
}

/** Made anew with every configuration. */
export type DaemonObserverFactory = (context: CommandContext, workspace: Workspace) => DaemonObserver

/** All of them as one that never throws. */
export function allObservers(observers: readonly DaemonObserver[]): Required<DaemonObserver> {
  const each = (tell: (observer: DaemonObserver) => void): void => {
    for (const observer of observers) {
      try {
        tell(observer)
      } catch {
        // Who listens and fails does not stop a backup.
      }
    }
  }
  return {
    onRunEvent: (told) => each((observer) => observer.onRunEvent?.(told)),
    onScheduleEvent: (event) => each((observer) => observer.onScheduleEvent?.(event)),
    onDaemonEvent: (event) => each((observer) => observer.onDaemonEvent?.(event)),
    async close() {
      await Promise.allSettled(observers.map((observer) => observer.close?.()))
    },
  }
}
