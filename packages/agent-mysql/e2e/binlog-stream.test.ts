import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { processOutput } from '@backup-planet/tooling/process-output'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { copyBinlogs } from '../src/binlog/binlog-copy.ts'
import { type BinlogPiece, streamBinlogs } from '../src/binlog/binlog-stream.ts'
import { binlogOnDisk, binlogsOf, collect, noDumpThread, positionOf, rawBinlog, scanned } from './binlog-fixture.ts'
import { resolvedSettings } from './capture-fixture.ts'

let server: ThrowawayMariadb
let directory: string
/** Closed ones, and the one that the server writes to. */
let closed: readonly string[]
let active: string

const mebibyte = 1_048_576

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bp-binlogs-'))
  server = await startThrowawayMariadb({
    serverOptions: ['--binlog-checksum=CRC32', '--max-allowed-packet=96M', '--innodb-log-file-size=512M'],
  })
  await server.client(`CREATE DATABASE shop; USE shop; CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v LONGBLOB); CREATE TABLE m (i INT) ENGINE=MyISAM;
    INSERT INTO t (v) SELECT REPEAT('v', seq) FROM seq_1_to_3000; INSERT INTO m VALUES (1), (2); FLUSH BINARY LOGS;
    BEGIN; INSERT INTO t (v) VALUES ('a'); SAVEPOINT s; UPDATE t SET v = 'b' WHERE id < 100; ROLLBACK TO s; DELETE FROM t WHERE id = 5; COMMIT;
    BEGIN; INSERT INTO m VALUES (3); INSERT INTO t (v) VALUES ('c'); ROLLBACK;
    XA START 'x'; INSERT INTO t (v) VALUES ('d'); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x';
    SET GLOBAL log_bin_compress = ON; FLUSH BINARY LOGS;`)
  // A session takes the setting over when it begins.
  await server.client(`USE shop; INSERT INTO t (v) SELECT REPEAT('z', 4000) FROM seq_1_to_300; CREATE TABLE z (a INT COMMENT '${'z'.repeat(400)}');
    SET STATEMENT binlog_format = 'STATEMENT' FOR UPDATE m SET i = i + 1 WHERE '${'s'.repeat(500)}' <> ''; SET GLOBAL log_bin_compress = OFF; FLUSH BINARY LOGS;
    SET GLOBAL binlog_checksum = NONE; INSERT INTO m VALUES (9); FLUSH BINARY LOGS`)
  await server.client('SET GLOBAL binlog_checksum = CRC32; INSERT INTO shop.m VALUES (10)')
  await server.client(
    `USE shop; INSERT INTO t (v) VALUES (REPEAT('x', ${16 * mebibyte})), (REPEAT('y', ${40 * mebibyte})); FLUSH BINARY LOGS; INSERT INTO m VALUES (11)`,
  )
  const names = await binlogsOf(server)
  closed = names.slice(0, -1)
  active = names.at(-1) ?? ''
})

afterAll(async () => {
  await server?.stop()
  await rm(directory, { recursive: true, force: true })
})

describe('binlogs read by the replication protocol', () => {
  it('are the files of the server, byte by byte, and what mariadb-binlog reads', async () => {
    const received = await collect(streamBinlogs(resolvedSettings(server), { binlog: closed[0] ?? '' }))
    expect([...received.keys()]).toEqual([...closed, active])
    for (const binlog of closed) {
      const bytes = received.get(binlog) ?? Buffer.alloc(0)
      expect(bytes.equals(await binlogOnDisk(server, binlog)), binlog).toBe(true)
      expect(bytes.equals(await rawBinlog(server, directory, binlog)), binlog).toBe(true)
    }
    // The server leaves out that it is in use.
    const open = await binlogOnDisk(server, active)
    expect(open.readUInt16LE(21)).toBe(1)
    open.writeUInt16LE(0, 21)
    expect(received.get(active)?.equals(open)).toBe(true)
    await noDumpThread(server)
  })

  it('are understood: every transaction, each file behind the one before', async () => {
    const received = await collect(streamBinlogs(resolvedSettings(server), { binlog: closed[0] ?? '' }))
    const facts = [...received].map(([binlog, bytes]) => scanned(binlog, bytes))
    for (const [index, { ends, next, gtidBefore, unfinished, from, to, bytes }] of facts.entries()) {
      const isLast = index === facts.length - 1
      expect({ ends, next, unfinished, from, to }).toEqual({
        ends: isLast ? 'open' : 'rotate',
        next: isLast ? undefined : facts[index + 1]?.binlog,
        unfinished: undefined,
        from: 0,
        to: bytes,
      })
      if (index > 0) expect(gtidBefore).toBe(facts[index - 1]?.gtidAfter)
    }
    const sql = 'SELECT @@gtid_binlog_pos'
    expect(facts.at(-1)?.gtidAfter).toBe((await server.client(sql)).trim())
    for (const { binlog, transactions, events } of facts) {
      const shown = (await server.client(`SHOW BINLOG EVENTS IN '${binlog}'`)).trim().split('\n')
      expect(
        Object.values(events).reduce((sum, count) => sum + count, 0),
        binlog,
      ).toBe(shown.length)
      expect(transactions, binlog).toBe(shown.filter((line) => line.split('\t')[2] === 'Gtid').length)
    }
    expect(facts[2]?.events).toMatchObject({ WRITE_ROWS_COMPRESSED_V1: expect.any(Number), QUERY_COMPRESSED: expect.any(Number) })
    expect(facts.map(({ checksum }) => checksum)).toContain('none')
  })

  it('come in pieces, however large their events are', async () => {
    const large = closed.at(-1) ?? ''
    let [bytes, longest] = [0, 0]
    for await (const piece of streamBinlogs(resolvedSettings(server), { binlog: large, until: active })) {
      expect(piece).toMatchObject({ binlog: large, position: bytes, head: false })
      bytes += piece.bytes.length
      longest = Math.max(longest, piece.bytes.length)
    }
    expect(bytes).toBeGreaterThan(56 * mebibyte)
    expect(longest).toBeLessThan(mebibyte)
    await noDumpThread(server)
  })

  it('begin in the middle, so that mariadb-binlog can read the part alone', async () => {
    const [binlog = ''] = closed
    const events = (await server.client(`SHOW BINLOG EVENTS IN '${binlog}'`)).split('\n').map((line) => line.split('\t'))
    const begin = Number(events.findLast((event) => event[2] === 'Gtid')?.[1])
    expect(begin).toBeGreaterThan(1000)
    const pieces: BinlogPiece[] = []
    for await (const piece of streamBinlogs(resolvedSettings(server), { binlog, position: begin, until: closed[1] })) {
      pieces.push({ ...piece, bytes: Buffer.from(piece.bytes) })
    }
    const head = pieces.filter((piece) => piece.head)
    const rest = Buffer.concat(pieces.filter((piece) => !piece.head).map((piece) => piece.bytes))
    expect(head.length).toBe(2)
    expect(pieces.find((piece) => !piece.head)?.position).toBe(begin)
    const whole = await binlogOnDisk(server, binlog)
    expect(rest.equals(whole.subarray(begin))).toBe(true)
    const part = Buffer.concat(pieces.map((piece) => piece.bytes))
    expect(scanned(binlog, part)).toMatchObject({
      from: begin,
      to: whole.length,
      bytes: part.length,
      transactions: 1,
      ends: 'rotate',
      next: closed[1],
    })
    const printed = await processOutput('mariadb-binlog', ['--no-defaults', '--verify-binlog-checksum', '-'], { input: part })
    expect(printed.toString()).toContain('Write_rows')
    expect(printed.toString()).not.toContain('CREATE TABLE')
  })

  it('come by the Unix socket too', async () => {
    const settings = resolvedSettings(server, { socketPath: server.socketPath })
    const [binlog = ''] = closed
    const received = await collect(streamBinlogs(settings, { binlog, until: closed[1] }))
    expect(received.get(binlog)?.equals(await binlogOnDisk(server, binlog))).toBe(true)
  })

  it('are the same where they are copied as files', async () => {
    const options = { directory: join(server.directory, 'data'), binlog: closed[0] ?? '', until: active }
    const [copied, received] = [await collect(copyBinlogs(options)), await collect(streamBinlogs(resolvedSettings(server), options))]
    expect([...copied.keys()]).toEqual(closed)
    for (const [binlog, bytes] of copied) expect(received.get(binlog)?.equals(bytes), binlog).toBe(true)
    await expect(collect(copyBinlogs({ ...options, binlog: 'binlog.000999' }))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(collect(copyBinlogs({ ...options, binlog: '../x.000001' }))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    const aborted = copyBinlogs({ ...options, signal: AbortSignal.abort() })
    await expect(collect(aborted)).rejects.toMatchObject({ code: 'ABORTED' })
  })

  it('are refused with what to do about it', async () => {
    const settings = resolvedSettings(server)
    await server.client("CREATE USER limited@'%' IDENTIFIED BY 'secret-of-limited'")
    const limited = { ...settings, user: 'limited', password: 'secret-of-limited' }
    await expect(collect(streamBinlogs(limited, { binlog: active }))).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      hint: expect.stringContaining("GRANT REPLICATION SLAVE ON *.* TO 'limited'@'%'"),
    })
    await expect(collect(streamBinlogs(settings, { binlog: 'binlog.000999' }))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(collect(streamBinlogs(settings, { binlog: active, position: 1_000_000_000 }))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(collect(streamBinlogs(settings, { binlog: active, position: 2 ** 32 }))).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })

  it('pass through many rotations', async () => {
    const first = await positionOf(server)
    await server.client(Array.from({ length: 60 }, (_, index) => `INSERT INTO shop.m VALUES (${index}); FLUSH BINARY LOGS;`).join('\n'))
    const last = await positionOf(server)
    const received = await collect(streamBinlogs(resolvedSettings(server), { binlog: first.binlog, until: last.binlog }))
    expect(received.size).toBe(60)
    for (const [binlog, bytes] of received) expect(bytes.equals(await binlogOnDisk(server, binlog)), binlog).toBe(true)
  })

  it('that are purged are gone', async () => {
    await server.client(`PURGE BINARY LOGS TO '${active}'`)
    await expect(collect(streamBinlogs(resolvedSettings(server), { binlog: closed[0] ?? '' }))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('full backup'),
      retryable: false,
    })
    await noDumpThread(server)
  })
})
