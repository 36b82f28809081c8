import { BackupError, maskSecrets } from '@backup-planet/core'
import type { EmailSettings } from '../notification-settings.ts'
import { shownText } from '../rules/message-text.ts'
import { asBackupError } from './channel-errors.ts'

/** What an error of nodemailer holds, of which everything may be missing. */
interface EmailErrorFacts {
  readonly code?: string
  readonly command?: string
  readonly response?: string
  readonly responseCode?: number
}

/**
 * An error of nodemailer as one of ours. The replies of the server are those of RFC 5321, 4.2: 4yz may go away by itself, such as
 * greylisting; 5yz does not. What the server says is shown, without the password.
 */
export function emailFailure(error: unknown, place: string, settings: EmailSettings): BackupError {
  if (BackupError.is(error)) return error
  const { code, command = '', response, responseCode } = error as EmailErrorFacts
  if (code === 'ETLS' && responseCode !== undefined) {
    return new BackupError(`${place} offers no STARTTLS, so that everything would be readable on the way`, {
      code: 'UNSUPPORTED',
      hint: 'Set security: tls where the server speaks TLS from the first byte, often on port 465; or security: none within a network that you trust.',
      cause: error,
    })
  }
  if (response !== undefined && responseCode !== undefined) return refusal(response, responseCode, command, place, settings)
  if (code === 'ENOAUTH' || code === 'EAUTH') {
    return new BackupError(`${place} takes no login with a password`, {
      code: 'UNSUPPORTED',
      hint: 'Leave out user and password where the server lets this machine send by its address, or use a server that takes a password.',
      cause: error,
    })
  }
  if (code === 'EENVELOPE') {
    return new BackupError(`${place} cannot be given these addresses`, {
      code: 'INVALID_INPUT',
      hint: 'Correct the addresses in from and to.',
      cause: error,
    })
  }
  return asBackupError(error, place)
}

function refusal(response: string, responseCode: number, command: string, place: string, { user, password }: EmailSettings): BackupError {
  const said = shownText(maskSecrets(response.replaceAll(/\s+/g, ' ').trim(), password === undefined ? [] : [password])).slice(0, 500)
  const message = `${place} answered ${said}`
  const isLogin = /^AUTH/i.test(command)
  if (isLogin && responseCode >= 500) {
    return new BackupError(`${message} to the login of ${user}`, {
      code: 'WRONG_CREDENTIALS',
      hint: 'Correct user and password; services with a second factor want a password made for programs.',
    })
  }
  if (responseCode >= 400 && responseCode < 500) {
    return new BackupError(message, { code: 'OVERLOADED', hint: 'It asks to come again later, which is done by itself.' })
  }
  // Told before there was a message: the server does not talk to this machine at all.
  if (/^(CONN|EHLO|HELO|STARTTLS)?$/i.test(command)) {
    return new BackupError(message, {
      code: 'ACCESS_DENIED',
      hint: 'Let the server take e-mail from this machine, or send by another one.',
    })
  }
  return new BackupError(message, {
    code: 'INVALID_INPUT',
    hint: 'Correct from and to, or let the server take e-mail from this sender to these recipients.',
  })
}
