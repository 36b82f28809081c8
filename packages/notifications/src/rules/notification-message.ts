/** What may be told. The words are those of `on` in the settings of a channel, stable within a major version. */
export const messageTypes = [
  /** A task fails: once for all failures in a row, and once more when it fails in another way. */
  'failed',
  /** A backup exists, and some of its items are not in it, or something essential around it failed; told like `failed`. */
  'partial',
  /** A task that had failed or was partial is done again. */
  'recovered',
  /** The latest moment that can be restored has not moved for too long. */
  'window-stopped-growing',
  /** It moves again. */
  'window-grows-again',
  'drill-failed',
  'drill-recovered',
  /** Daily or weekly: what ran, sizes, failures, windows. */
  'digest',
  /** Each run begins, ended well, or did not. For pings; others do well without. */
  'run-started',
  'run-succeeded',
  'run-failed',
] as const

/** What is told through every channel but the one it is about, without being asked for. */
export const channelMessageTypes = ['channel-broken', 'channel-repaired'] as const

export type AskedMessageType = (typeof messageTypes)[number]
export type MessageType = AskedMessageType | (typeof channelMessageTypes)[number] | 'test'

/** One thing to tell, ready to be read. Plain JSON, holds no secret. */
export interface NotificationMessage {
  /** Unique on its host. */
  readonly id: string
  /** The `id` of the message that this one answers: of the failure that is over. */
  readonly answers?: string | undefined
  readonly type: MessageType
  readonly severity: 'bad' | 'warning' | 'good' | 'neutral'
  /** ISO 8601 in UTC. */
  readonly at: string
  /** The machine that tells. */
  readonly host: string
  readonly job?: string | undefined
  readonly task?: string | undefined
  /** One line: the job and what happened. */
  readonly subject: string
  /** Plain text for people, several lines. */
  readonly body: string
  readonly code?: string | undefined
  readonly message?: string | undefined
  readonly hint?: string | undefined
  /** When the task was last done, ISO 8601. */
  readonly lastSuccess?: string | undefined
  /** Up to when the job can be restored, ISO 8601. */
  readonly restorableUntil?: string | undefined
}
