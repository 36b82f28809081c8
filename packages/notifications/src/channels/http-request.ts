import { type ClientRequest, type IncomingMessage, request as requestPlain } from 'node:http'
import { request as requestSecure } from 'node:https'
import { abortError, BackupError, maskSecrets, throwIfAborted } from '@backup-planet/core'
import { shownText } from '../rules/message-text.ts'
import { asBackupError, timedOut } from './channel-errors.ts'
import { headerSecrets } from './channel-secrets.ts'
import { trustedAuthorities } from './trusted-authorities.ts'

/** More of an answer is not read. */
const longestAnswer = 16 * 1024
const shownAnswer = 300

export interface HttpRequest {
  readonly url: URL
  readonly method: 'POST' | 'PUT'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly timeoutMs: number
  readonly caFile: string | undefined
}

export interface HttpAnswer {
  readonly status: number
  /** Its beginning, as one line that can be shown, without what was secret in the request. */
  readonly text: string
  /** Of the header `Retry-After`. */
  readonly retryAfterMs: number | undefined
}

/**
 * One request on a connection of its own, to its end; no redirect is followed. Throws `ABORTED`, `TIMED_OUT` when it is not done in
 * time, `UNREACHABLE`, and `WRONG_CREDENTIALS` for a certificate that cannot be verified. No error shows more of the URL than its host.
 */
export async function httpRequest(request: HttpRequest, signal: AbortSignal | undefined): Promise<HttpAnswer> {
  const { url, timeoutMs } = request
  const place = url.host
  throwIfAborted(signal, `the request to ${place}`)
  const deadline = AbortSignal.timeout(timeoutMs)
  const both = signal === undefined ? deadline : AbortSignal.any([signal, deadline])
  try {
    const answer = await begin(request, both)
    const text = await readBeginning(answer)
    return {
      status: answer.statusCode ?? 0,
      text: shown(text, request),
      retryAfterMs: retryAfterOf(answer.headers['retry-after'], Date.now()),
    }
  } catch (error) {
    if (signal?.aborted) throw abortError(signal, `the request to ${place}`)
    if (deadline.aborted) throw timedOut(place, timeoutMs, error)
    if (BackupError.is(error)) throw error
    throw asBackupError(error, place)
  }
}

async function begin({ url, method, headers, body, caFile }: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const ca = await trustedAuthorities(caFile)
  const options = {
    method,
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
    signal,
    agent: false,
    minVersion: 'TLSv1.2' as const,
    ...ca,
  }
  return new Promise((resolve, reject) => {
    const sent: ClientRequest = url.protocol === 'https:' ? requestSecure(url, options) : requestPlain(url, options)
    sent.once('response', resolve)
    sent.on('error', reject)
    sent.end(body)
  })
}

async function readBeginning(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.byteLength
    // Leaving the loop ends the connection.
    if (length >= longestAnswer) break
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** A service may repeat what it was sent. */
function shown(text: string, { url, headers }: HttpRequest): string {
  const secrets = [
    url.href,
    url.pathname + url.search,
    url.pathname,
    ...url.pathname.split('/'),
    ...url.searchParams.values(),
    ...Object.values(headers),
  ]
  const hidden = maskSecrets(text, [...secrets.filter((secret) => secret.length >= 8), ...headerSecrets(headers)])
  return shownText(hidden.replaceAll(/\s+/g, ' ').trim()).slice(0, shownAnswer)
}

/** Seconds, or a date: RFC 9110, 10.2.3. Some services send fractions of seconds. */
export function retryAfterOf(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d+(\.\d+)?$/.test(header.trim())) return Math.ceil(Number(header) * 1000)
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
