import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { createMetricsServer, type Health } from './metrics-server.ts'

const listen = '127.0.0.1:0'
const healthy = (): Health => ({ healthy: true, details: { jobs: [] } })

test.each(['', '9810', 'localhost', '127.0.0.1:99999', 'http://127.0.0.1:1', '::1:9810', '127.0.0.1:x'])(
  '%j is no address',
  async (address) => {
    await expect(createMetricsServer({ listen: address, health: healthy })).rejects.toMatchObject({ code: 'INVALID_SETTINGS' })
  },
)

test('an address that is taken is told', async () => {
  await using first = await createMetricsServer({ listen, health: healthy })
  const again = createMetricsServer({ listen: first.url.replace('http://', ''), health: healthy })
  await expect(again).rejects.toMatchObject({ code: 'CONFLICT' })
})

test('other paths and methods are refused', async () => {
  await using server = await createMetricsServer({ listen, health: healthy })
  expect((await fetch(`${server.url}/`)).status).toBe(404)
  expect((await fetch(`${server.url}/__proto__`)).status).toBe(404)
  expect((await fetch(`${server.url}/metrics`, { method: 'POST', body: 'x' })).status).toBe(405)
})

test('the numbers of runs, as Prometheus reads them', async () => {
  await using server = await createMetricsServer({ listen, health: healthy, now: () => 1_700_000_000_000 })
  const { observe, note } = server.telemetry
  const run = { job: 'shop "x"\n', task: 'full' }
  observe({ ...run, event: { type: 'started', action: 'backup' } })
  observe({ ...run, event: { type: 'bytes', phase: 'store', bytes: 42, rate: 1 } })
  observe({ ...run, event: { type: 'finished', outcome: 'done', seconds: 7, bytes: 42 } })
  note({ job: 'shop', restorableUntil: '2023-11-14T22:13:20Z' })
  const answer = await fetch(`${server.url}/metrics`)
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  const text = await answer.text()
  expect(text).toContain('backup_planet_run_io_total{job="shop \\"x\\"\\n",task="full",direction="sent"} 42')
  expect(text).toMatch(/backup_planet_run_duration_bucket\{job="[^}]*",task="full",outcome="done",le="15"\} 1/)
  expect(text).toMatch(/backup_planet_run_last_success\{[^}]*\} 1700000000/)
  expect(text).toContain('backup_planet_restorable_until{job="shop"} 1700000000')
})

test('health is 200, or 503 with why, also when it cannot be had', async () => {
  let health = healthy
  await using server = await createMetricsServer({ listen, health: () => health() })
  const ask = async () => {
    const answer = await fetch(`${server.url}/health`)
    return [answer.status, await answer.json()]
  }
  expect(await ask()).toEqual([200, { healthy: true, jobs: [] }])
  health = () => ({ healthy: false, details: { jobs: [{ job: 'shop', failed: 'full' }] } })
  expect(await ask()).toEqual([503, { healthy: false, jobs: [{ job: 'shop', failed: 'full' }] }])
  health = () => {
    throw new Error('with a secret in it')
  }
  expect(await ask()).toEqual([503, { healthy: false, code: 'UNKNOWN' }])
})

test('who sends a request byte by byte is cut off, and closing waits for nobody', { timeout: 20_000 }, async () => {
  const server = await createMetricsServer({ listen, health: healthy })
  const slow = connect(Number(new URL(server.url).port), '127.0.0.1')
  slow.on('error', () => undefined)
  slow.write('GET /metrics HTTP/1.1\r\nx-a: b')
  const timer = setInterval(() => slow.write('c'), 200)
  await new Promise((resolve) => slow.once('close', resolve))
  clearInterval(timer)
  const idle = connect(Number(new URL(server.url).port), '127.0.0.1')
  idle.on('error', () => undefined)
  await once(idle, 'connect')
  await server[Symbol.asyncDispose]()
})
