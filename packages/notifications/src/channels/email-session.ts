import { hostname } from 'node:os'
import { abortError, throwIfAborted } from '@backup-planet/core'
import type SMTPConnection from 'nodemailer/lib/smtp-connection'
import type { EmailSettings } from '../notification-settings.ts'
import { timedOut } from './channel-errors.ts'
import { emailFailure } from './email-errors.ts'
import { trustedAuthorities } from './trusted-authorities.ts'

export interface PreparedEmail {
  readonly envelope: { readonly from: string; readonly to: string[] }
  readonly content: Buffer
}

export interface EmailAnswer {
  /** The last line of the server. */
  readonly response: string
  /** Recipients that it did not take, while it took others. */
  readonly rejected: readonly string[]
}

/**
 * One message over one connection: greeting, TLS, login, message, end. Throws `ABORTED`, `TIMED_OUT` when it is not done in time, and
 * what `emailFailure` names. Whatever happens the connection is gone afterwards.
 */
export async function sendEmail(settings: EmailSettings, email: PreparedEmail, signal: AbortSignal | undefined): Promise<EmailAnswer> {
  const place = serverOf(settings)
  const timeoutMs = settings.timeoutSeconds * 1000
  throwIfAborted(signal, `the e-mail by ${place}`)
  // Only who sends e-mail pays for loading it.
  const { default: Connection } = await import('nodemailer/lib/smtp-connection')
  const connection = new Connection(await optionsOf(settings, timeoutMs))
  const deadline = AbortSignal.timeout(timeoutMs)
  const both = signal === undefined ? deadline : AbortSignal.any([signal, deadline])
  try {
    return await Promise.race([broken(connection), stopped(both), converse(connection, settings, email)])
  } catch (error) {
    if (signal?.aborted) throw abortError(signal, `the e-mail by ${place}`)
    if (deadline.aborted) throw timedOut(place, timeoutMs, error)
    throw emailFailure(error, place, settings)
  } finally {
    connection.close()
  }
}

export function serverOf({ host, port, security }: EmailSettings): string {
  return `${host}:${port ?? (security === 'tls' ? 465 : 587)}`
}

async function optionsOf({ host, port, security, caFile }: EmailSettings, timeoutMs: number) {
  const ca = await trustedAuthorities(caFile)
  return {
    host,
    ...(port === undefined ? {} : { port }),
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    tls: { minVersion: 'TLSv1.2', ...ca },
    name: nameForGreeting(),
    // All of it is given `timeoutMs`; these end what would still be waiting then.
    connectionTimeout: timeoutMs + 1000,
    greetingTimeout: timeoutMs + 1000,
    socketTimeout: timeoutMs + 1000,
    dnsTimeout: timeoutMs + 1000,
    socketCloseTimeout: 1000,
    maxResponseSize: 64 * 1024,
    logger: false,
  } as const
}

/** RFC 5321, 4.1.4: a domain with a dot, or an address literal; many servers refuse a bare word. */
function nameForGreeting(): string {
  const name = hostname()
  return /^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/.test(name) ? name : '[127.0.0.1]'
}

async function converse(connection: SMTPConnection, settings: EmailSettings, email: PreparedEmail): Promise<EmailAnswer> {
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error === undefined || error === null ? resolve() : reject(error)))
  })
  const { user, password } = settings
  if (user !== undefined && password !== undefined) {
    await new Promise<void>((resolve, reject) => {
      connection.login({ user, pass: password }, (error) => (error === null ? resolve() : reject(error)))
    })
  }
  const { response, rejected } = await new Promise<EmailAnswer>((resolve, reject) => {
    connection.send(email.envelope, email.content, (error, info) => (error === null ? resolve(info) : reject(error)))
  })
  connection.quit()
  return { response, rejected }
}

function broken(connection: SMTPConnection): Promise<never> {
  return new Promise((_, reject) => {
    connection.on('error', reject)
    connection.once('end', () => reject(new Error('the connection was closed')))
  })
}

function stopped(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
