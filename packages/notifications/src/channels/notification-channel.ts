import type { OperationOptions } from '@backup-planet/core'
import type { NotificationMessage } from '../rules/notification-message.ts'

/** One way to somebody. */
export interface NotificationChannel {
  /** Unique among the channels of a configuration. */
  readonly name: string
  readonly kind: 'email' | 'webhook' | 'ping'
  /** Printable: no more than the host of a URL. */
  readonly destination: string
  /** How long sending one message may take. */
  readonly longestMs: number
  /** Whether it is asked for by `on`, `jobs` and what else chooses. */
  accepts(message: NotificationMessage): boolean
  /**
   * Sends one message once, and resolves with what the other side answered, as one printable line. Throws a `BackupError`: `INVALID_INPUT` where
   * this message is refused and others may be taken, any other code where the channel itself does not work.
   */
  send(message: NotificationMessage, options?: Pick<OperationOptions, 'signal'>): Promise<string>
}

/** Of `on` and `jobs`. A digest is of all jobs. */
export function isAskedFor(
  { on, jobs }: { readonly on: readonly string[]; readonly jobs?: readonly string[] | undefined },
  { type, job }: NotificationMessage,
): boolean {
  return on.includes(type) && (jobs === undefined || job === undefined || jobs.includes(job))
}
