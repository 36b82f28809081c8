import { createHash } from 'node:crypto'
import { startTcpFaultProxy } from '@backup-planet/tooling/tcp-fault-proxy'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BinlogPiece, type BinlogReached, streamBinlogs } from '../src/binlog/binlog-stream.ts'
import { binlogOnDisk, binlogsOf, collect, dumpThreads, noDumpThread, positionOf, scanned } from './binlog-fixture.ts'
import { resolvedSettings, until } from './capture-fixture.ts'

let server: ThrowawayMariadb

beforeAll(async () => {
  server = await startThrowawayMariadb({ serverOptions: ['--binlog-checksum=CRC32'] })
  await server.client('CREATE DATABASE shop; USE shop; CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v LONGTEXT)')
})

afterAll(() => server?.stop())

/** A consumer that has got everything up to `reached`. */
function follower(heartbeatSeconds: number, from: BinlogReached, more: { readonly signal?: AbortSignal; readonly port?: number } = {}) {
  const pieces: BinlogPiece[] = []
  const heartbeats: BinlogReached[] = []
  const settings = { ...resolvedSettings(server), ...(more.port === undefined ? {} : { port: more.port }) }
  const follow = { heartbeatSeconds, onHeartbeat: (reached: BinlogReached) => void heartbeats.push(reached) }
  const stream = streamBinlogs(settings, { ...from, follow, signal: more.signal })
  const done = (async () => {
    for await (const piece of stream) pieces.push({ ...piece, bytes: Buffer.from(piece.bytes) })
  })()
  done.catch(() => undefined)
  const idle = () => until('a heartbeat', async () => heartbeats.at(-1))
  return { pieces, heartbeats, done, idle, bytes: () => Buffer.concat(pieces.map((piece) => piece.bytes)) }
}

describe('binlogs that are followed', () => {
  it('bring what is written, and word where the server has got to, until they are aborted', async () => {
    const abort = new AbortController()
    const begin = await positionOf(server)
    const followed = follower(0.1, begin, { signal: abort.signal })
    expect(await followed.idle()).toEqual(begin)
    await server.client("INSERT INTO shop.t (v) VALUES ('followed'); FLUSH BINARY LOGS; INSERT INTO shop.t (v) VALUES ('further')")
    const end = await positionOf(server)
    await until('word of the newest position', async () => {
      const last = followed.heartbeats.at(-1)
      return last?.binlog === end.binlog && last.position === end.position ? last : undefined
    })
    const byFile = Map.groupBy(followed.pieces, (piece) => piece.binlog)
    expect([...byFile.keys()]).toEqual([begin.binlog, end.binlog])
    const [first, second] = [...byFile.values()].map((pieces) => Buffer.concat(pieces.map((piece) => piece.bytes)))
    expect(first?.includes('followed')).toBe(true)
    expect(scanned(begin.binlog, first ?? Buffer.alloc(0))).toMatchObject({ ends: 'rotate', from: begin.position })
    expect(scanned(end.binlog, second ?? Buffer.alloc(0))).toMatchObject({ ends: 'open', to: end.position, transactions: 1 })
    expect(await dumpThreads(server)).toHaveLength(1)
    abort.abort()
    await expect(followed.done).rejects.toMatchObject({ code: 'ABORTED' })
    await noDumpThread(server)
  })

  it('leave no thread behind when the consumer has had enough, or fails', async () => {
    const begin = await positionOf(server)
    for (const end of ['break', 'throw'] as const) {
      const consumed = (async () => {
        for await (const _ of streamBinlogs(resolvedSettings(server), { ...begin, follow: { heartbeatSeconds: 30 } })) {
          if (end === 'break') break
          throw new Error('the disk is full')
        }
      })()
      if (end === 'break') await consumed
      else await expect(consumed).rejects.toThrow('the disk is full')
      await noDumpThread(server)
    }
  })

  it('end at once when they are aborted although the server says nothing', async () => {
    const abort = new AbortController()
    const followed = follower(60, await positionOf(server), { signal: abort.signal })
    await until('the thread', async () => ((await dumpThreads(server)).length === 1 ? true : undefined))
    process.kill(server.pid, 'SIGSTOP')
    try {
      abort.abort()
      await expect(followed.done).rejects.toMatchObject({ code: 'ABORTED' })
    } finally {
      process.kill(server.pid, 'SIGCONT')
    }
    await noDumpThread(server)
  })

  it('are given up after a long silence also when they are read to their end', async () => {
    const settings = resolvedSettings(server)
    const [binlog = ''] = await binlogsOf(server)
    await using proxy = await startTcpFaultProxy({ port: server.port })
    await collect(streamBinlogs({ ...settings, port: proxy.port }, { binlog, silenceSeconds: 60 }))
    const { down } = proxy.bytes
    // In the last event.
    proxy.plan([{ kind: 'stall', direction: 'down', afterBytes: down - 30 }])
    const stalled = collect(streamBinlogs({ ...settings, port: proxy.port }, { binlog, silenceSeconds: 0.3 }))
    await expect(stalled).rejects.toMatchObject({ code: 'UNREACHABLE', retryable: true })
    await noDumpThread(server)
  })

  it('are given up when the network loses everything and tells nobody', async () => {
    await using proxy = await startTcpFaultProxy({ port: server.port })
    const begin = await positionOf(server)
    // With room for a machine that is busy: this one is to be ended by the server alone.
    const whole = follower(2, begin, { port: proxy.port })
    await whole.idle()
    const { down } = proxy.bytes
    proxy.plan([{ kind: 'stall', direction: 'down', afterBytes: down + 400 }])
    const stalled = follower(0.1, begin, { port: proxy.port })
    await expect(stalled.done).rejects.toMatchObject({ code: 'UNREACHABLE', retryable: true })
    await server.client(
      `KILL ${await server.client("SELECT id FROM information_schema.processlist WHERE command = 'Binlog Dump' LIMIT 1")}`,
    )
    await expect(whole.done).rejects.toMatchObject({ code: 'UNREACHABLE' })
    await noDumpThread(server)
  })

  it('make the server wait for a slow consumer, and lose nothing', async () => {
    const begin = await positionOf(server)
    await server.client("USE shop; FLUSH BINARY LOGS; INSERT INTO t (v) SELECT REPEAT('w', 100000) FROM seq_1_to_1200; FLUSH BINARY LOGS")
    const end = await positionOf(server)
    const hash = createHash('sha256')
    let consumed = 0
    const before = process.memoryUsage().arrayBuffers
    for await (const piece of streamBinlogs(resolvedSettings(server), { binlog: begin.binlog, until: end.binlog })) {
      if (consumed === 0) {
        await until('the server to wait', async () => ((await dumpThreads(server)).includes('Writing to net') ? true : undefined))
        const waited = process.memoryUsage().arrayBuffers
        expect(waited - before).toBeLessThan(32 * 1_048_576)
      }
      consumed += piece.bytes.length
      hash.update(piece.bytes)
    }
    expect(consumed).toBeGreaterThan(120_000_000)
    const names = [begin.binlog, begin.binlog.replace(/\d+$/, (digits) => String(Number(digits) + 1).padStart(6, '0'))]
    const files = createHash('sha256')
    for (const name of names) files.update(await binlogOnDisk(server, name))
    expect(hash.digest('hex')).toBe(files.digest('hex'))
  })

  it('hand over all that came before the server died', async () => {
    const begin = await positionOf(server)
    for (const end of ['kill', 'restart'] as const) {
      const from = end === 'kill' ? begin : await positionOf(server)
      const followed = follower(0.1, from)
      await followed.idle()
      await server.client(`INSERT INTO shop.t (v) VALUES ('before the ${end}')`)
      await until('the row', async () => (followed.bytes().includes(`before the ${end}`) ? true : undefined))
      if (end === 'kill') {
        await server.kill()
        await expect(followed.done).rejects.toMatchObject({ code: 'UNREACHABLE', retryable: true })
        await server.restart()
      } else {
        await server.restart()
        await expect(followed.done).rejects.toMatchObject({ code: 'UNREACHABLE' })
      }
    }
    // More is in that file than waits between the server and here.
    let received = 0
    const cut = (async () => {
      for await (const piece of streamBinlogs(resolvedSettings(server), { binlog: 'binlog.000001' })) {
        if (received === 0) await server.kill()
        received += piece.bytes.length
      }
    })()
    await expect(cut).rejects.toMatchObject({ code: 'UNREACHABLE' })
    expect(received).toBeGreaterThan(4)
    await expect(collect(streamBinlogs({ ...resolvedSettings(server), port: 1 }, begin))).rejects.toMatchObject({ code: 'UNREACHABLE' })
  })
})
