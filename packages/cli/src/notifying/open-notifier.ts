import { BackupError } from '@backup-planet/core'
import { createNotifier, type NotificationChannel, type Notifier } from '@backup-planet/notifications'
import type { ChannelConfiguration } from '../configuration/channel-schema.ts'
import type { ConfigurationContent } from '../configuration/configuration-schema.ts'
import type { SecretMask } from '../configuration/secret-mask.ts'
import { failureFacts } from '../output/failure-text.ts'
import type { Workspace } from '../workspace/workspace.ts'
import { listedWindows } from './listed-windows.ts'
import { longestInterval } from './log-interval.ts'

export interface NotifierParts {
  readonly workspace: Workspace
  readonly mask: SecretMask
  /** Told what goes wrong with telling. */
  readonly warn: (text: string) => void
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/**
 * The observer that tells of outcomes through the channels of the configuration. Its methods never wait and never throw; disposing sends what
 * waits, within 20 seconds. A channel that cannot be opened, such as without its secret, is told of through the others and hinders nobody.
 */
export async function openNotifier({ workspace, mask, warn, now }: NotifierParts): Promise<Notifier> {
  const { content } = workspace.configuration
  const channels: NotificationChannel[] = []
  for (const [name, settings] of Object.entries(content.notifications?.channels ?? {})) {
    channels.push(await workspace.channel(name).catch((error: unknown) => unopened(name, settings, error)))
  }
  const { digest } = content.notifications ?? {}
  return createNotifier({
    channels,
    jobs: jobsOf(content, now()),
    digest: digest === undefined ? undefined : { ...digest, timezone: digest.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone },
    windows: (options) => listedWindows(workspace, options),
    file: workspace.notificationFile,
    hide: mask.hide,
    warn,
    now,
  })
}

/** What can be restored may stand still for three times the interval of the logs, or for what was configured. */
function jobsOf({ jobs, notifications }: ConfigurationContent, now: number): Readonly<Record<string, { readonly windowLimitMs?: number }>> {
  const { windowStopped } = notifications ?? {}
  const limitOf = (job: string, log: string | undefined): number | undefined => {
    const configured = typeof windowStopped === 'object' ? windowStopped[job] : windowStopped
    const interval = log === undefined ? undefined : longestInterval(log, new Date(now))
    return configured ?? (interval === undefined ? undefined : 3 * interval)
  }
  return Object.fromEntries(
    Object.entries(jobs).map(([name, { schedule }]) => {
      const windowLimitMs = limitOf(name, schedule?.log)
      return [name, windowLimitMs === undefined ? {} : { windowLimitMs }]
    }),
  )
}

/** Stands in for a channel that could not be opened: whatever it is given waits, and the others are told why. */
function unopened(name: string, { kind, on, jobs }: ChannelConfiguration, error: unknown): NotificationChannel {
  const { code, message, hint } = failureFacts(error)
  const failure = BackupError.is(error) ? error : new BackupError(message, { code: 'UNKNOWN', hint })
  return {
    name,
    kind,
    destination: `not opened: ${code}`,
    longestMs: 0,
    accepts: ({ type, job }) =>
      (Array.isArray(on) ? on.includes(type) : type.startsWith('run-') === (kind === 'ping')) &&
      (!Array.isArray(jobs) || job === undefined || jobs.includes(job)),
    send: () => Promise.reject(failure),
  }
}
