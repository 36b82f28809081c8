import type { WebhookSettings } from '../notification-settings.ts'
import type { NotificationMessage } from '../rules/notification-message.ts'
import { refusalOf } from './channel-errors.ts'
import { httpRequest } from './http-request.ts'
import { isAskedFor, type NotificationChannel } from './notification-channel.ts'
import { webhookPresets } from './webhook-presets.ts'
import { fillTemplate } from './webhook-template.ts'

export function createWebhookChannel(name: string, settings: WebhookSettings): NotificationChannel {
  const url = new URL(settings.url)
  return {
    name,
    kind: 'webhook',
    destination: `webhook ${url.host}`,
    longestMs: settings.timeoutSeconds * 1000,
    accepts: (message) => isAskedFor(settings, message),
    async send(message, options) {
      const { type, text } = contentOf(settings, message)
      const headers = { 'user-agent': 'backup-planet', 'content-type': type, ...settings.headers }
      const { method, timeoutSeconds, caFile } = settings
      const answer = await httpRequest({ url, method, headers, body: text, timeoutMs: timeoutSeconds * 1000, caFile }, options?.signal)
      const refusal = refusalOf(url.host, answer)
      if (refusal !== undefined) throw refusal
      return `${answer.status}${answer.text === '' ? '' : ` ${answer.text}`}`
    },
  }
}

function contentOf({ preset, template }: WebhookSettings, message: NotificationMessage): { readonly type: string; readonly text: string } {
  const content = template === undefined ? webhookPresets[preset](message) : fillTemplate(template, message)
  if (typeof content === 'string') return { type: 'text/plain; charset=utf-8', text: content }
  return { type: 'application/json', text: JSON.stringify(content) }
}
