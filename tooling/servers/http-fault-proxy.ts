import { createServer, type IncomingMessage, request as requestUpstream, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What happens to one request on its way. Bytes are those of bodies. */
export type HttpFault =
  /** Answered here with an error of S3, after the request was read; the server hears nothing of it. */
  | { readonly kind: 'answer'; readonly status: number; readonly code: string; readonly retryAfterSeconds?: number }
  /** The same as soon as the request begins, as a gateway does that refuses it. */
  | { readonly kind: 'refuse'; readonly status: number; readonly code: string }
  /** Both connections are reset after so many bytes of the request. */
  | { readonly kind: 'cut-request'; readonly afterBytes: number }
  /** Nothing more is read after so many bytes of the request, and nothing answered. */
  | { readonly kind: 'stall-request'; readonly afterBytes: number }
  /** One bit of the request's body is another when it arrives. */
  | { readonly kind: 'flip-request'; readonly atByte: number }
  /** The server does what it is asked, and its answer is lost. */
  | { readonly kind: 'lose-answer' }
  /** The same, with this answer instead. */
  | { readonly kind: 'replace-answer'; readonly status: number; readonly code: string }
  /** The connection ends after so many bytes of the answer. */
  | { readonly kind: 'cut-answer'; readonly afterBytes: number }
  | { readonly kind: 'stall-answer'; readonly afterBytes: number }

export interface ProxiedRequest {
  /** From 1. */
  readonly number: number
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
}

export interface HttpFaultProxy extends AsyncDisposable {
  readonly endpoint: string
  /** Bytes of request bodies that came in, also of those that were cut. */
  readonly receivedBytes: number
  readonly requests: readonly (ProxiedRequest & { readonly fault: HttpFault | undefined })[]
  stop(): Promise<void>
}

export interface HttpFaultProxySettings {
  /** `http://host:port` */
  readonly target: string
  /** Decides for each request; nothing happens to it when it gives `undefined`. */
  readonly fault?: (request: ProxiedRequest) => HttpFault | undefined
  /** Hears of every piece of a request's body before it is passed on. */
  readonly onReceived?: (request: ProxiedRequest, bytes: number) => void
  /** Hears of every answer of the server, whether it is passed on or not. */
  readonly onAnswered?: (request: ProxiedRequest, status: number) => void
}

/**
 * A proxy between a client and an HTTP server on 127.0.0.1 that breaks what it is told to break. Requests are passed on as they are,
 * `Host` too, so that signatures stay valid.
 */
export async function startHttpFaultProxy(settings: HttpFaultProxySettings): Promise<HttpFaultProxy> {
  const target = new URL(settings.target)
  const requests: (ProxiedRequest & { fault: HttpFault | undefined })[] = []
  let receivedBytes = 0

  const server = createServer((incoming, answer) => {
    const url = new URL(incoming.url ?? '/', 'http://proxy')
    const seen: ProxiedRequest = {
      number: requests.length + 1,
      method: incoming.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
    }
    const fault = settings.fault?.(seen)
    requests.push({ ...seen, fault })
    incoming.on('error', () => undefined)
    answer.on('error', () => undefined)
    pass(incoming, answer, target, fault, {
      onReceived(bytes) {
        receivedBytes += bytes
        settings.onReceived?.(seen, bytes)
      },
      onAnswered: (status) => settings.onAnswered?.(seen, status),
    })
  })
  // Keep-alive connections of ours must outlive those of clients that wait between two tries.
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get receivedBytes() {
      return receivedBytes
    },
    requests,
    stop: () => stop(server),
    [Symbol.asyncDispose]: () => stop(server),
  }
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function pass(
  incoming: IncomingMessage,
  answer: ServerResponse,
  target: URL,
  fault: HttpFault | undefined,
  { onReceived, onAnswered }: { readonly onReceived: (bytes: number) => void; readonly onAnswered: (status: number) => void },
): void {
  if (fault?.kind === 'refuse') {
    incoming.on('data', (chunk: Buffer) => onReceived(chunk.byteLength))
    answerWith(answer, fault)
    return
  }
  if (fault?.kind === 'answer') {
    incoming.on('data', (chunk: Buffer) => onReceived(chunk.byteLength))
    incoming.once('end', () => answerWith(answer, fault))
    return
  }
  const upstream = requestUpstream(
    { host: target.hostname, port: target.port, method: incoming.method, path: incoming.url, headers: incoming.headers },
    (response) => {
      onAnswered(response.statusCode ?? 502)
      if (fault?.kind === 'lose-answer' || fault?.kind === 'replace-answer') {
        response.resume()
        response.once('end', () => (fault.kind === 'lose-answer' ? incoming.socket.destroy() : answerWith(answer, fault)))
        return
      }
      answer.writeHead(response.statusCode ?? 502, response.headers)
      let passed = 0
      response.on('data', (chunk: Buffer) => {
        const limit = fault?.kind === 'cut-answer' || fault?.kind === 'stall-answer' ? fault.afterBytes : Number.POSITIVE_INFINITY
        const some = chunk.subarray(0, Math.max(0, limit - passed))
        passed += chunk.byteLength
        if (some.byteLength > 0 && !answer.write(some)) {
          response.pause()
          answer.once('drain', () => response.resume())
        }
        if (passed <= limit) return
        response.destroy()
        if (fault?.kind === 'cut-answer') incoming.socket.destroy()
      })
      response.once('end', () => answer.end())
      response.once('error', () => (fault?.kind === 'stall-answer' ? undefined : incoming.socket.destroy()))
    },
  )
  upstream.on('error', () => incoming.socket.destroy())
  answer.once('close', () => {
    if (!answer.writableFinished) upstream.destroy()
  })
  let received = 0
  incoming.on('data', (chunk: Buffer) => {
    onReceived(chunk.byteLength)
    const begin = received
    received += chunk.byteLength
    if (fault?.kind === 'cut-request' && received >= fault.afterBytes) {
      incoming.socket.resetAndDestroy()
      return
    }
    if (fault?.kind === 'stall-request' && received >= fault.afterBytes) {
      incoming.pause()
      return
    }
    const sent = fault?.kind === 'flip-request' ? flipped(chunk, fault.atByte - begin) : chunk
    if (upstream.write(sent)) return
    incoming.pause()
    upstream.once('drain', () => incoming.resume())
  })
  incoming.once('end', () => {
    if (fault?.kind === 'cut-request') incoming.socket.resetAndDestroy()
    else if (fault?.kind !== 'stall-request') upstream.end()
  })
}

function flipped(chunk: Buffer, index: number): Buffer {
  if (index < 0 || index >= chunk.byteLength) return chunk
  const copy = Buffer.from(chunk)
  copy.writeUInt8(copy.readUInt8(index) ^ 1, index)
  return copy
}

/** Error Responses, Amazon S3 API Reference. */
function answerWith(
  answer: ServerResponse,
  { status, code, ...more }: { readonly status: number; readonly code: string; readonly retryAfterSeconds?: number },
): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>fault of the proxy</Message></Error>`
  answer.writeHead(status, {
    'content-type': 'application/xml',
    'content-length': Buffer.byteLength(body),
    ...(more.retryAfterSeconds === undefined ? {} : { 'retry-after': String(more.retryAfterSeconds) }),
  })
  answer.end(body)
}
