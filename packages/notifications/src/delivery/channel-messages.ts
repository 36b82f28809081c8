import type { BackupError } from '@backup-planet/core'
import type { NotificationChannel } from '../channels/notification-channel.ts'
import { idOf } from '../rules/message-id.ts'
import { failureText, momentText } from '../rules/message-text.ts'
import type { NotificationMessage } from '../rules/notification-message.ts'
import type { NotificationState } from '../rules/notification-state.ts'

type About = Pick<NotificationChannel, 'name' | 'destination'>

/** Told through the others: somebody who relies on a channel must hear that it is silent. */
export function brokenMessage(
  state: NotificationState,
  { name, destination }: About,
  refused: NotificationMessage,
  error: BackupError,
  at: string,
  host: string,
): NotificationMessage {
  const { code, message, hint } = error
  const one = code === 'INVALID_INPUT'
  return {
    id: idOf(state, at, 'channel-broken'),
    type: 'channel-broken',
    severity: 'warning',
    at,
    host,
    subject: one ? `channel ${name} refuses a message (${code})` : `channel ${name} does not work (${code})`,
    body: [
      `${one ? 'A message' : 'Nothing'} could ${one ? 'not ' : ''}be sent through the channel ${name} (${destination}) of ${host}, ${momentText(at)}:`,
      '',
      failureText({ code, message, hint }),
      '',
      'It is tried again for a day. What could not be sent:',
      `  ${refused.subject}`,
      ...refused.body.split('\n').map((line) => `  ${line}`.trimEnd()),
    ].join('\n'),
    code,
    message,
    hint,
  }
}

export function repairedMessage(
  state: NotificationState,
  { name, destination }: About,
  answers: string,
  at: string,
  host: string,
): NotificationMessage {
  return {
    id: idOf(state, at, 'channel-repaired'),
    answers,
    type: 'channel-repaired',
    severity: 'good',
    at,
    host,
    subject: `channel ${name} works again`,
    body: `Messages go through the channel ${name} (${destination}) of ${host} again.`,
  }
}

/** To see whether a channel works, and what its messages look like. */
export function testMessage(channel: About, at: string, host: string): NotificationMessage {
  return {
    id: `${Date.parse(at)}.${channel.name}.test`,
    type: 'test',
    severity: 'neutral',
    at,
    host,
    subject: `test of the channel ${channel.name}`,
    body: `This is a test. Messages about the backups of ${host} will come this way (channel ${channel.name}, ${channel.destination}).`,
  }
}

/** Nothing is left out in silence. */
export function withDropped(message: NotificationMessage, dropped: number): NotificationMessage {
  if (dropped === 0) return message
  const amount = dropped === 1 ? '1 earlier message' : `${dropped} earlier messages`
  return {
    ...message,
    body: `${message.body}\n\n${amount} for this channel could not be sent, and ${dropped === 1 ? 'was' : 'were'} given up.`,
  }
}
