import { createServer, request as requestUpstream } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

export interface ForwardProxy extends AsyncDisposable {
  readonly port: number
  /** `GET`, `PUT` … of what was passed on, `CONNECT` of tunnels; what was refused is not among them. */
  readonly passed: readonly string[]
}

/** A proxy as companies have them (RFC 9110: requests in absolute form, and CONNECT), which lets in whoever says `user:password`. */
export async function startForwardProxy(login: string): Promise<ForwardProxy> {
  const expected = `Basic ${Buffer.from(login).toString('base64')}`
  const passed: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((incoming, answer) => {
    const { 'proxy-authorization': said, 'proxy-connection': _, ...headers } = incoming.headers
    if (said !== expected) {
      incoming.resume()
      answer.writeHead(407, { 'proxy-authenticate': 'Basic realm="proxy"' }).end()
      return
    }
    passed.push(incoming.method ?? '')
    const url = new URL(incoming.url ?? '')
    const upstream = requestUpstream(url, { method: incoming.method ?? 'GET', headers })
    upstream.on('response', (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(answer)
    })
    upstream.on('error', () => answer.destroy())
    incoming.pipe(upstream)
  })
  server.on('connect', ({ url = '', headers }, socket: Socket) => {
    if (headers['proxy-authorization'] !== expected) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="proxy"\r\nContent-Length: 0\r\n\r\n')
      return
    }
    passed.push('CONNECT')
    const { hostname, port } = new URL(`http://${url}`)
    const upstream = connect(Number(port), hostname, () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      socket.pipe(upstream).pipe(socket)
    })
    for (const each of [socket, upstream]) {
      sockets.add(each)
      each.on('error', () => undefined)
      each.on('close', () => sockets.delete(each))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    passed,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
