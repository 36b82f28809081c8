import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type HttpFault, startHttpFaultProxy } from './http-fault-proxy.ts'

/** Answers with what it was sent, and keeps it. */
const arrived: Buffer[] = []
const server = createServer(async (request, response) => {
  const body = await buffer(request).catch(() => undefined)
  if (body === undefined) return
  arrived.push(body)
  response.end(body)
})
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const body = Buffer.alloc(300_000, 'x')

async function through(fault: HttpFault | undefined, patience = 5000) {
  arrived.length = 0
  await using proxy = await startHttpFaultProxy({
    target: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fault: () => fault,
  })
  const answer = await fetch(`${proxy.endpoint}/path?a=b`, { method: 'PUT', body, signal: AbortSignal.timeout(patience) })
    .then(async (response) => ({
      status: response.status,
      retryAfter: response.headers.get('retry-after'),
      body: Buffer.from(await response.arrayBuffer()),
    }))
    .catch((error: unknown) => error as Error)
  return { answer, arrived: [...arrived], received: proxy.receivedBytes, request: proxy.requests[0] }
}

it('passes on what it is not told to break', async () => {
  const { answer, request, received } = await through(undefined)
  expect(answer).toMatchObject({ status: 200, body })
  expect(request).toMatchObject({ number: 1, method: 'PUT', path: '/path' })
  expect(received).toBe(body.byteLength)
})

it.each<[HttpFault, object, number]>([
  [{ kind: 'answer', status: 503, code: 'SlowDown', retryAfterSeconds: 3 }, { status: 503, retryAfter: '3' }, 0],
  [{ kind: 'refuse', status: 403, code: 'AccessDenied' }, { status: 403 }, 0],
  [{ kind: 'replace-answer', status: 500, code: 'InternalError' }, { status: 500 }, 1],
  [{ kind: 'lose-answer' }, new TypeError('fetch failed'), 1],
  [{ kind: 'cut-request', afterBytes: 1000 }, new TypeError('fetch failed'), 0],
  [{ kind: 'cut-answer', afterBytes: 1000 }, new TypeError('terminated'), 1],
])('%j', async (fault, expected, times) => {
  const { answer, arrived: found } = await through(fault)
  if (expected instanceof Error) expect(answer).toBeInstanceOf(Error)
  else expect(answer).toMatchObject(expected)
  expect(found).toHaveLength(times)
})

it.each<HttpFault>([
  { kind: 'stall-request', afterBytes: 1000 },
  { kind: 'stall-answer', afterBytes: 1000 },
])('%j', async (fault) => {
  expect((await through(fault, 500)).answer).toMatchObject({ name: 'TimeoutError' })
})

it('turns one bit', async () => {
  const { arrived: found } = await through({ kind: 'flip-request', atByte: 100_000 })
  const expected = Buffer.from(body)
  expected.writeUInt8(expected.readUInt8(100_000) ^ 1, 100_000)
  expect(found[0]?.equals(expected)).toBe(true)
})
