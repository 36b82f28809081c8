import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { BackupError, createRunTelemetry, type RunTelemetry } from '@backup-planet/core'
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'

export interface MetricsServerSettings {
  /** `HOST:PORT`, such as `127.0.0.1:9810` or `[::1]:9810`; port 0 takes a free one. */
  readonly listen: string
  /** How the daemon is, asked for at each request; what it throws is told as not healthy. */
  readonly health: () => Health | Promise<Health>
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

export interface Health {
  readonly healthy: boolean
  /** What is told as JSON besides, such as `jobs` whose last run failed, `lease` and `store`. Must hold no secret. */
  readonly details: Readonly<Record<string, unknown>>
}

export interface MetricsServer extends AsyncDisposable {
  /** Where it listens: `http://127.0.0.1:9810`. */
  readonly url: string
  /** To be handed every event of every run. */
  readonly telemetry: RunTelemetry
}

const limits = {
  // Nobody who asks for numbers has more to say; who says it slowly is cut off.
  requestTimeout: 10_000,
  headersTimeout: 5000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
  maxHeaderSize: 8192,
}
const mostConnections = 50

/**
 * Serves `/metrics` for Prometheus and `/health`: 200 or 503, with JSON. Anybody who can connect can read it: so it listens on this machine alone unless the
 * configuration says otherwise. Throws `INVALID_SETTINGS` for what is no address, and `CONFLICT` where somebody else listens there.
 */
export async function createMetricsServer({ listen, health, now }: MetricsServerSettings): Promise<MetricsServer> {
  const { host, port } = addressOf(listen)
  const reader = new PrometheusExporter({ preventServerStart: true })
  const provider = new MeterProvider({ readers: [reader] })
  const telemetry = createRunTelemetry({ meter: provider.getMeter('@backup-planet/core'), ...(now === undefined ? {} : { now }) })
  const server = createServer(limits, answering(reader, health))
  server.maxConnections = mostConnections
  await listening(server, host, port, listen)
  const { address, family, port: bound } = server.address() as AddressInfo
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`,
    telemetry,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
      await provider.shutdown()
    },
  }
}

function answering(reader: PrometheusExporter, health: MetricsServerSettings['health']): RequestListener {
  const serializer = new PrometheusSerializer('', false, undefined, true, true)
  const answers: Readonly<Record<string, () => Promise<Answer>>> = {
    async '/metrics'() {
      const { resourceMetrics } = await reader.collect()
      return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: serializer.serialize(resourceMetrics) }
    },
    async '/health'() {
      const { healthy, details } = await healthOf(health)
      return { status: healthy ? 200 : 503, type: 'application/json', body: `${JSON.stringify({ ...details, healthy })}\n` }
    },
  }
  return (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    const answer = Object.hasOwn(answers, path) ? answers[path] : undefined
    const readable = request.method === 'GET' || request.method === 'HEAD'
    const known = answer === undefined ? refusal(404, 'there are /metrics and /health') : readable ? answer() : refusal(405, 'only GET')
    known
      .catch(() => refusal(500, 'the numbers cannot be had'))
      .then(({ status, type, body }) => {
        response.writeHead(status, {
          'content-type': type,
          'content-length': Buffer.byteLength(body),
          'cache-control': 'no-store',
          'x-content-type-options': 'nosniff',
          ...(status === 405 ? { allow: 'GET, HEAD', connection: 'close' } : {}),
        })
        response.end(request.method === 'HEAD' ? '' : body)
      })
  }
}

interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string
}

async function refusal(status: number, text: string): Promise<Answer> {
  return { status, type: 'text/plain; charset=utf-8', body: `${text}\n` }
}

async function healthOf(health: MetricsServerSettings['health']): Promise<Health> {
  try {
    return await health()
  } catch (error) {
    return { healthy: false, details: { code: BackupError.is(error) ? error.code : 'UNKNOWN' } }
  }
}

function addressOf(listen: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+)):(\d{1,5})$/i.exec(listen) ?? []
  const port = Number(digits)
  const host = bracketed ?? plain
  if (host !== undefined && port <= 65_535) return { host, port }
  throw new BackupError(`${JSON.stringify(listen)} is no address to listen on`, {
    code: 'INVALID_SETTINGS',
    hint: 'Write it like 127.0.0.1:9810 or [::1]:9810.',
  })
}

async function listening(server: Server, host: string, port: number, listen: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ host, port }, resolve)
  try {
    await promise
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new BackupError(`nothing can listen on ${listen} (${code ?? 'unknown reason'})`, {
      code: code === 'EADDRINUSE' ? 'CONFLICT' : 'INVALID_SETTINGS',
      hint: code === 'EADDRINUSE' ? 'End what listens there, or name another port.' : 'Name an address of this machine.',
      cause: error,
    })
  } finally {
    server.off('error', reject)
  }
  server.on('error', () => undefined)
}
