import { type AddressInfo, connect, type Socket } from 'node:net'
import { createServer } from 'node:tls'
import type { ThrowawayCertificate } from '@backup-planet/tooling/throwaway-certificate'

export interface TlsTerminator extends AsyncDisposable {
  /** `https://127.0.0.1:port` */
  readonly endpoint: string
}

/** Takes TLS off connections and passes them on as they are, as a load balancer does in front of a gateway. */
export async function startTlsTerminator(targetPort: number, { certificate, key }: ThrowawayCertificate): Promise<TlsTerminator> {
  const sockets = new Set<Socket>()
  const server = createServer({ cert: certificate, key }, (secure) => {
    const upstream = connect(targetPort, '127.0.0.1')
    for (const socket of [secure, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => sockets.delete(socket))
    }
    secure.pipe(upstream).pipe(secure)
  })
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
