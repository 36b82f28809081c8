import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer } from 'node:tls'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface TlsTerminator extends AsyncDisposable {
  /** `https://127.0.0.1:port` */
  readonly endpoint: string
}

/** What `openssl` made in a directory: an authority of its own, and a certificate for 127.0.0.1 that it signed. */
export interface ThrowawayCertificate {
  readonly authorityFile: string
  readonly certificate: string
  readonly key: string
}

export async function makeCertificate(directory: string, name: string): Promise<ThrowawayCertificate> {
  const file = (suffix: string) => join(directory, `${name}-${suffix}`)
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const authority = ['-days', '2', '-subj', `/CN=${name} authority`, '-keyout', file('ca-key.pem'), '-out', file('ca.pem')]
  await run('openssl', ['req', '-x509', ...newKey, ...authority])
  await run('openssl', ['req', ...newKey, '-subj', '/CN=server', '-keyout', file('key.pem'), '-out', file('request.pem')])
  await writeFile(file('extensions'), 'subjectAltName=IP:127.0.0.1\n')
  const signer = ['-CA', file('ca.pem'), '-CAkey', file('ca-key.pem'), '-CAcreateserial', '-extfile', file('extensions')]
  await run('openssl', ['x509', '-req', '-days', '2', '-in', file('request.pem'), ...signer, '-out', file('cert.pem')])
  return {
    authorityFile: file('ca.pem'),
    certificate: await readFile(file('cert.pem'), 'utf8'),
    key: await readFile(file('key.pem'), 'utf8'),
  }
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
