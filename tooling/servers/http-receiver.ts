import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { ThrowawayCertificate } from './throwaway-certificate.ts'

export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface HttpReceiverAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Takes requests on 127.0.0.1 and keeps them, as a webhook of a service does. */
export interface HttpReceiver extends AsyncDisposable {
  /** `http://127.0.0.1:port`, or with a certificate `https://…`. */
  readonly url: string
  readonly requests: readonly ReceivedRequest[]
  /** What is answered from now on; `cut` breaks the connection off, `stall` never answers. */
  answer(request: (request: ReceivedRequest) => HttpReceiverAnswer | 'cut' | 'stall'): void
}

export async function startHttpReceiver(certificate?: ThrowawayCertificate): Promise<HttpReceiver> {
  const requests: ReceivedRequest[] = []
  const sockets = new Set<Socket>()
  let answering: Parameters<HttpReceiver['answer']>[0] = () => ({ status: 200, body: 'ok' })

  const listener = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const received = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    }
    requests.push(received)
    const answer = answering(received)
    if (answer === 'cut') request.socket.destroy()
    else if (answer !== 'stall') response.writeHead(answer.status, answer.headers).end(answer.body)
  }
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    listener(request, response).catch(() => response.destroy())
  }
  const server =
    certificate === undefined
      ? createServer(onRequest)
      : createSecureServer({ cert: certificate.certificate, key: certificate.key }, onRequest)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer(next) {
      answering = next
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
