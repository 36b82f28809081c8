import type { PingSettings } from '../notification-settings.ts'
import type { MessageType } from '../rules/notification-message.ts'
import { refusalOf } from './channel-errors.ts'
import { httpRequest } from './http-request.ts'
import { isAskedFor, type NotificationChannel } from './notification-channel.ts'

/** Healthchecks, "Pinging API": the URL itself is success; `/log` is noted and changes nothing. */
const endings: Partial<Record<MessageType, string>> = { 'run-started': '/start', 'run-succeeded': '', 'run-failed': '/fail', test: '/log' }

/** What a check keeps of the body is less. */
const longestBody = 10_000

export function createPingChannel(name: string, settings: PingSettings): NotificationChannel {
  const url = new URL(settings.url)
  return {
    name,
    kind: 'ping',
    destination: `ping ${url.host}`,
    longestMs: settings.timeoutSeconds * 1000,
    accepts: (message) => isAskedFor(settings, message) && (settings.tasks === undefined || settings.tasks.includes(message.task ?? '')),
    async send(message, options) {
      const place = new URL(url)
      place.pathname = `${url.pathname.replace(/\/$/, '')}${endings[message.type] ?? '/log'}`
      const headers = { 'user-agent': 'backup-planet', 'content-type': 'text/plain; charset=utf-8', ...settings.headers }
      const request = {
        url: place,
        method: 'POST',
        headers,
        body: `${message.body.slice(0, longestBody)}\n`,
        timeoutMs: settings.timeoutSeconds * 1000,
        caFile: settings.caFile,
      } as const
      const answer = await httpRequest(request, options?.signal)
      const refusal = refusalOf(url.host, answer)
      if (refusal !== undefined) throw refusal
      return `${answer.status}${answer.text === '' ? '' : ` ${answer.text}`}`
    },
  }
}
