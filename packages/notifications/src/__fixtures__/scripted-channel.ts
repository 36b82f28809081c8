import { abortError, BackupError, type FailureCode } from '@backup-planet/core'
import type { NotificationChannel, NotificationMessage } from '../index.ts'

export interface ScriptedChannel extends NotificationChannel {
  readonly sent: NotificationMessage[]
  /** Every attempt, by subject. */
  readonly attempts: string[]
  /** What happens from now on; it works while there is nothing. */
  fault: FailureCode | 'hangs' | undefined
  /** How long the other side asks to be left alone, with the next failures. */
  retryAfterMs: number | undefined
}

/** A channel in memory that fails as it is told. */
export function scriptedChannel(
  name: string,
  accepts: (message: NotificationMessage) => boolean = ({ type }) => !type.startsWith('run-'),
): ScriptedChannel {
  const sent: NotificationMessage[] = []
  const attempts: string[] = []
  return {
    name,
    kind: 'webhook',
    destination: `webhook ${name}.example.org`,
    longestMs: 30_000,
    sent,
    attempts,
    fault: undefined,
    retryAfterMs: undefined,
    accepts,
    async send(message, options) {
      attempts.push(message.subject)
      if (this.fault === 'hangs') {
        await new Promise((_, reject) => {
          const signal = options?.signal
          if (signal?.aborted) reject(abortError(signal, 'sending'))
          signal?.addEventListener('abort', () => reject(abortError(signal, 'sending')), { once: true })
        })
      } else if (this.fault !== undefined) {
        const cause = this.retryAfterMs === undefined ? undefined : { retryAfterMs: this.retryAfterMs }
        throw new BackupError(`${name} said no`, { code: this.fault, hint: 'Repair it.', cause })
      }
      sent.push(message)
      return 'ok'
    },
  }
}
