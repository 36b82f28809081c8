import { connect, createServer, type Server, type Socket } from 'node:net'

/** What happens to one connection. Bytes are counted in one direction: `up` to the server, `down` to the client. */
export type TcpFault =
  /** Both sides see the end of the connection. */
  | { readonly kind: 'cut'; readonly direction: 'up' | 'down'; readonly afterBytes: number }
  /** Both sides see it broken. */
  | { readonly kind: 'reset'; readonly direction: 'up' | 'down'; readonly afterBytes: number }
  /** Nothing passes any more in either direction, and nobody is told. */
  | { readonly kind: 'stall'; readonly direction: 'up' | 'down'; readonly afterBytes: number }
  /** Passes slowly for so many bytes, in pieces. */
  | { readonly kind: 'slow'; readonly direction: 'up' | 'down'; readonly afterBytes: number; readonly pieces: number }

export interface TcpFaultProxy extends AsyncDisposable {
  readonly host: '127.0.0.1'
  readonly port: number
  /** Of every connection so far. */
  readonly bytes: { readonly up: number; readonly down: number }
  /** Faults that happened: a connection that ends before its place never meets its own. */
  readonly faultsMet: number
  /** Faults of the next connections, one each; those after them have none. Replaces what was planned before. */
  plan(faults: readonly TcpFault[]): void
  /**
   * The server is gone for everybody, until `bringBack`. `refused`: connections break and new ones are refused, as when it ends. `silent`: nothing passes any
   * more and nobody is told, as when its network does.
   */
  takeAway(how: 'refused' | 'silent'): Promise<void>
  /** It is there again, at the same port; what was connected before is broken. */
  bringBack(): Promise<void>
  stop(): Promise<void>
}

/** A fault out of numbers from 0 up to 1, within the first `bytes` of a connection. The same numbers make the same fault. */
export function tcpFaultOf(random: () => number, bytes: number): TcpFault {
  const kinds = ['cut', 'reset', 'stall', 'slow'] as const
  const kind = kinds[Math.floor(random() * kinds.length)] ?? 'cut'
  const direction = random() < 0.7 ? 'up' : 'down'
  // Half of them early: logging in and opening files are most of what can go wrong.
  const afterBytes = Math.floor(random() < 0.5 ? random() * 8192 : random() * bytes)
  return kind === 'slow' ? { kind, direction, afterBytes, pieces: 20 } : { kind, direction, afterBytes }
}

/** Passes TCP connections on to a server on this machine, and breaks them as planned. */
export async function startTcpFaultProxy(target: { readonly port: number }): Promise<TcpFaultProxy> {
  const planned: TcpFault[] = []
  const bytes = { up: 0, down: 0 }
  let faultsMet = 0
  const sockets = new Set<Socket>()
  const connections = new Set<ConnectionState>()
  let silent = false
  const server = createServer({ pauseOnConnect: true }, (client) => {
    const fault = planned.shift()
    const upstream = connect({ host: '127.0.0.1', port: target.port })
    const pair = [client, upstream] as const
    const state: ConnectionState = { bytes, stalled: silent, onFault: () => faultsMet++ }
    connections.add(state)
    for (const socket of pair) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        sockets.delete(socket)
        connections.delete(state)
        for (const other of pair) other.destroy()
      })
    }
    passOn(client, upstream, 'up', fault, state)
    passOn(upstream, client, 'down', fault, state)
  })
  await listen(server, 0)
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the operating system gave no port')
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      breakAll()
    })
  return {
    host: '127.0.0.1',
    port: address.port,
    bytes,
    get faultsMet() {
      return faultsMet
    },
    plan: (faults) => void planned.splice(0, planned.length, ...faults),
    async takeAway(how) {
      if (how === 'refused') return await stop()
      silent = true
      for (const connection of connections) connection.stalled = true
    },
    async bringBack() {
      silent = false
      breakAll()
      if (!server.listening) await listen(server, address.port)
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject)
      resolve()
    })
  })
}

interface ConnectionState {
  /** Of all connections. */
  readonly bytes: { up: number; down: number }
  stalled: boolean
  readonly onFault: () => void
}

function passOn(from: Socket, to: Socket, direction: 'up' | 'down', fault: TcpFault | undefined, state: ConnectionState): void {
  let passed = 0
  let slowPieces = 0
  const send = (data: Buffer): void => {
    passed += data.length
    state.bytes[direction] += data.length
    if (data.length === 0 || to.write(data)) return
    from.pause()
    to.once('drain', () => from.resume())
  }
  from.on('data', (data: Buffer) => {
    if (state.stalled) return
    const isDue = fault?.direction === direction && passed + data.length > fault.afterBytes
    if (!isDue) return send(data)
    if (fault.kind !== 'slow') {
      send(data.subarray(0, Math.max(0, fault.afterBytes - passed)))
      state.stalled = true
      state.onFault()
      return breakOff(fault.kind, [from, to])
    }
    send(data)
    if (slowPieces === 0) state.onFault()
    if (slowPieces++ >= fault.pieces) return
    from.pause()
    setTimeout(() => from.resume(), 5)
  })
  from.on('end', () => {
    if (!state.stalled) to.end()
  })
  from.resume()
}

function breakOff(kind: 'cut' | 'reset' | 'stall', sockets: readonly Socket[]): void {
  if (kind === 'stall') return
  for (const socket of sockets) {
    if (kind === 'reset') socket.resetAndDestroy()
    else socket.end()
  }
}
