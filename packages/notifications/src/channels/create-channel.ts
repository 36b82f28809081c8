import { type ChannelSettings, resolveChannelSettings } from '../notification-settings.ts'
import { createEmailChannel } from './email-channel.ts'
import type { NotificationChannel } from './notification-channel.ts'
import { createPingChannel } from './ping-channel.ts'
import { createWebhookChannel } from './webhook-channel.ts'

/**
 * A channel from its settings; nothing is sent or asked yet. Throws `INVALID_SETTINGS` that names every problem at once.
 *
 * @param where printable place of the settings, such as `notifications.channels.ops`
 */
export function createChannel(name: string, settings: ChannelSettings, where = name): NotificationChannel {
  const resolved = resolveChannelSettings(settings, where)
  if (resolved.kind === 'email') return createEmailChannel(name, resolved)
  return resolved.kind === 'webhook' ? createWebhookChannel(name, resolved) : createPingChannel(name, resolved)
}
