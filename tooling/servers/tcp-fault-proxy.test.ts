import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTcpFaultProxy, tcpFaultOf } from './tcp-fault-proxy.ts'

let echo: Server
let port = 0
beforeAll(async () => {
  echo = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
  port = (echo.address() as { port: number }).port
})
afterAll(() => void echo.close())

/** What comes back of `size` bytes until the end, an error, or a second of silence. */
function sent(proxyPort: number, size: number): Promise<{ readonly bytes: number; readonly how: string }> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: proxyPort })
    let bytes = 0
    const settle = (how: string): void => {
      resolve({ bytes, how })
      socket.destroy()
    }
    socket.on('data', (data) => {
      bytes += data.length
      if (bytes === size) settle('whole')
    })
    socket.once('end', () => settle('ended'))
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? 'error'))
    socket.setTimeout(1000, () => settle('silent'))
    socket.write(Buffer.alloc(size))
  })
}

test('each fault does what it says, to one connection', async () => {
  await using proxy = await startTcpFaultProxy({ port })
  proxy.plan([
    { kind: 'cut', direction: 'down', afterBytes: 1000 },
    { kind: 'reset', direction: 'up', afterBytes: 0 },
    { kind: 'stall', direction: 'up', afterBytes: 500 },
    { kind: 'slow', direction: 'up', afterBytes: 0, pieces: 3 },
  ])
  expect(await sent(proxy.port, 100_000)).toEqual({ bytes: 1000, how: 'ended' })
  expect(await sent(proxy.port, 100_000)).toEqual({ bytes: 0, how: 'ECONNRESET' })
  expect(await sent(proxy.port, 100_000)).toMatchObject({ how: 'silent' })
  expect(await sent(proxy.port, 100_000)).toEqual({ bytes: 100_000, how: 'whole' })
  expect(await sent(proxy.port, 100_000)).toEqual({ bytes: 100_000, how: 'whole' })
})

test('a server that is taken away and brought back breaks what was connected, and takes new connections at its port again', async () => {
  await using proxy = await startTcpFaultProxy({ port })
  for (const [how, seen] of [
    ['refused', 'ECONNREFUSED'],
    ['silent', 'silent'],
  ] as const) {
    const open = connect({ host: '127.0.0.1', port: proxy.port }).on('error', () => undefined)
    open.write('hello')
    await once(open, 'data')
    const closed = new Promise((resolve) => open.once('close', resolve))
    await proxy.takeAway(how)
    if (how === 'refused') await closed
    expect(await sent(proxy.port, 1000)).toEqual({ bytes: 0, how: seen })
    expect(open.closed).toBe(how === 'refused')
    await proxy.bringBack()
    await closed
    expect(await sent(proxy.port, 1000)).toEqual({ bytes: 1000, how: 'whole' })
  }
})

test('the same numbers make the same fault, and all kinds come up', () => {
  const kinds = new Set<string>()
  for (let index = 0; index < 100; index++) {
    const numbers = [index / 100, 0.2, 0.9, 0.5]
    const make = () => {
      const left = [...numbers]
      return tcpFaultOf(() => left.shift() ?? 0, 1000)
    }
    expect(make()).toEqual(make())
    kinds.add(make().kind)
  }
  expect([...kinds].sort()).toEqual(['cut', 'reset', 'slow', 'stall'])
})
