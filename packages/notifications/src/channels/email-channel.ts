import type { EmailSettings } from '../notification-settings.ts'
import { shownText } from '../rules/message-text.ts'
import type { NotificationMessage } from '../rules/notification-message.ts'
import { sendEmail, serverOf } from './email-session.ts'
import { isAskedFor, type NotificationChannel } from './notification-channel.ts'

export function createEmailChannel(name: string, settings: EmailSettings): NotificationChannel {
  return {
    name,
    kind: 'email',
    destination: `e-mail by ${serverOf(settings)}`,
    longestMs: settings.timeoutSeconds * 1000,
    accepts: (message) => isAskedFor(settings, message),
    async send(message, options) {
      const { response, rejected } = await sendEmail(settings, await composed(settings, message), options?.signal)
      const refused = rejected.length === 0 ? '' : `; NOT taken for ${rejected.join(', ')}`
      return `${shownText(response).replaceAll(/\s+/g, ' ').slice(0, 300)}${refused}`
    },
  }
}

async function composed(settings: EmailSettings, message: NotificationMessage) {
  const { default: Composer } = await import('nodemailer/lib/mail-composer')
  const { id, answers, at, subject, body, host } = message
  const node = new Composer({
    from: settings.from,
    to: settings.to,
    ...(settings.replyTo === undefined ? {} : { replyTo: settings.replyTo }),
    subject: `[backup-planet] ${subject.replaceAll(/\s+/g, ' ')}`,
    date: new Date(at),
    messageId: messageId(id, host),
    // So that the end of a failure stands below its beginning.
    ...(answers === undefined ? {} : { inReplyTo: messageId(answers, host), references: messageId(answers, host) }),
    // RFC 3834, 5: nobody's holiday notice shall answer.
    headers: { 'Auto-Submitted': 'auto-generated' },
    text: `${body}\n`,
    html: htmlOf(message),
    disableFileAccess: true,
    disableUrlAccess: true,
  }).compile()
  const { from, to } = node.getEnvelope()
  if (from === false) throw new TypeError('a message without sender')
  return { envelope: { from, to: [...to] }, content: await node.build() }
}

/** The same for each attempt, so that a server or reader may know again what it has. */
function messageId(id: string, host: string): string {
  return `<${id}@${host.replaceAll(/[^A-Za-z0-9.-]/g, '-')}.backup-planet>`
}

const colors = { bad: '#d32f2f', warning: '#f9a825', good: '#2e7d32', neutral: '#607d8b' } as const

function htmlOf({ subject, body, severity }: NotificationMessage): string {
  return `<!doctype html><html><body style="font-family:sans-serif;margin:0">
<div style="border-left:6px solid ${colors[severity]};padding:4px 12px">
<p style="font-weight:bold;font-size:16px;margin:4px 0">${escaped(subject)}</p>
<pre style="font-family:ui-monospace,Menlo,Consolas,monospace;font-size:13px;white-space:pre-wrap;margin:8px 0">${escaped(body)}</pre>
</div>
</body></html>
`
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
