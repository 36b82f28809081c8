import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Capture, FollowRequest } from '@backup-planet/core'
import { historyOf, planChain, restoreWindows } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type BinlogFileFacts, binlogItem } from '../src/dump-layout.ts'
import { comparePositions } from '../src/mysql-position.ts'
import { until } from './capture-fixture.ts'
import { binlogOf, type ChainedBackup, LogChain, storedBinlog } from './log-fixture.ts'

let server: ThrowawayMariadb
let chain: LogChain
beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client('CREATE DATABASE shop; CREATE TABLE shop.line (id INT AUTO_INCREMENT PRIMARY KEY, note LONGTEXT)')
})
afterAll(() => server?.stop())
beforeEach(() => {
  chain = new LogChain(server)
})
afterEach(() => chain[Symbol.asyncDispose]())

const write = (note: string) => server.client(`INSERT INTO shop.line (note) VALUES ('${note}')`)

/** Stores what a follower yields until it ends or `enough` says so; throws what it throws. */
async function follow(
  enough: (stored: readonly ChainedBackup[]) => boolean,
  request: Partial<FollowRequest> = {},
  stop = new AbortController(),
): Promise<readonly ChainedBackup[]> {
  const stored: ChainedBackup[] = []
  const captures = chain.agent.follow?.({ job: 'test', chain: chain.backups, everySeconds: 0.2, everyBytes: 1_000_000, ...request }, stop)
  for await (const capture of captures as AsyncIterable<Capture>) {
    stored.push(await chain.store(capture))
    if (enough(stored)) stop.abort()
  }
  return stored
}

const factsOf = ({ backup }: ChainedBackup): readonly BinlogFileFacts[] =>
  (backup.items[0]?.facts.binlogs ?? []) as unknown as readonly BinlogFileFacts[]

/** What the server's own tool reads in the files of these backups, each by itself. */
async function notesIn(stored: readonly ChainedBackup[]): Promise<readonly string[]> {
  const texts: string[] = []
  for (const one of stored) {
    for (const { file } of factsOf(one)) {
      const path = join(one.stage.directory, binlogItem, file)
      const { stdout, stderr } = await promisify(execFile)('mariadb-binlog', ['--base64-output=decode-rows', '--verbose', path], {
        maxBuffer: 64 * 1024 * 1024,
      })
      expect(stderr).toBe('')
      texts.push(...[...stdout.matchAll(/^###\s+@2='([^']*)'/gm)].map(([, note = '']) => note))
    }
  }
  return texts
}

describe('following a server', () => {
  it('yields what is written, each part where the one before it ended, readable by itself, across rotation, and together the binlogs of the server', async () => {
    await chain.backUp('full')
    const stop = new AbortController()
    const following = follow(() => false, {}, stop)
    const notes: string[] = []
    for (let index = 0; index < 12; index++) {
      notes.push(`note-${index}`)
      await write(`note-${index}`)
      if (index % 5 === 4) await server.client('FLUSH BINARY LOGS')
      await delay(100)
    }
    await until('everything was yielded', async () => {
      const { gtid } = chain.backups.at(-1)?.position?.value ?? {}
      return gtid === (await server.client('SELECT @@gtid_binlog_pos')).trim() ? true : undefined
    })
    stop.abort()
    const stored = await following
    expect(stored.length).toBeGreaterThan(2)
    expect(await notesIn(stored)).toEqual(notes)
    for (const [index, { from, position }] of chain.backups.entries()) {
      if (index > 0) expect(from).toEqual(chain.backups[index - 1]?.position)
      expect(position?.chain).toBe(chain.backups[0]?.position?.chain)
    }
    const all = stored.flatMap((one) => factsOf(one).map((facts) => ({ one, facts })))
    for (const [binlog, parts] of Map.groupBy(all, ({ facts }) => facts.binlog)) {
      const original = await binlogOf(server, binlog)
      // The mark of a binlog that is being written.
      original[21] = (original[21] ?? 0) & ~1
      expect(new Set(parts.map(({ facts }) => facts.identity)).size).toBe(1)
      for (const { one, facts } of parts) {
        const content = await storedBinlog(one, facts.file)
        expect(content.subarray(-(facts.to - facts.from)).equals(original.subarray(facts.from, facts.to)), facts.file).toBe(true)
      }
      expect(parts.slice(1).map(({ facts }) => facts.from)).toEqual(parts.slice(0, -1).map(({ facts }) => facts.to))
    }
    const history = historyOf(chain.backups, comparePositions)
    expect(restoreWindows(history)).toHaveLength(1)
    expect(planChain(history, { latest: true })).toMatchObject({ possible: true, backups: { length: stored.length + 1 } })
  })

  it('goes on from where it was left, and log backups go on from there', async () => {
    await chain.backUp('full')
    await write('before')
    await follow((stored) => stored.length === 1)
    await write('later')
    const again = await follow((stored) => stored.length === 1)
    expect(await notesIn(again)).toEqual(['later'])
    await write('last')
    const log = await chain.backUp('log')
    expect(log.backup).toMatchObject({ kind: 'log', from: again[0]?.backup.position })
    expect(await notesIn([log])).toEqual(['before', 'later', 'last'])
    expect(restoreWindows(historyOf(chain.backups, comparePositions))).toHaveLength(1)
  })

  it('gives whole transactions only, as soon as there are so many bytes', async () => {
    await chain.backUp('full')
    const stop = new AbortController()
    const following = follow(() => false, { everySeconds: 3600, everyBytes: 100_000 }, stop)
    for (let index = 0; index < 10; index++) {
      await server.client(`BEGIN; ${"INSERT INTO shop.line (note) VALUES (REPEAT('x', 20000));".repeat(3)} COMMIT`)
    }
    await until('most of it was yielded', async () => (chain.backups.length > 4 ? true : undefined))
    stop.abort()
    const stored = await following
    const facts = stored.flatMap(factsOf)
    expect(facts.reduce((sum, { transactions }) => sum + transactions, 0)).toBe(10)
    for (const one of stored.slice(0, -1)) expect(one.stage.files.some(({ size }) => size >= 60_000)).toBe(true)
    expect((await notesIn(stored)).length).toBe(30)
  })

  it('keeps no transaction that is larger than what is kept, and reads it again for the capture', async () => {
    await chain.backUp('full')
    const stop = new AbortController()
    const following = follow(() => false, { everyBytes: 50_000 }, stop)
    await write('small')
    await server.client(
      `BEGIN; ${"INSERT INTO shop.line (note) VALUES (REPEAT('y', 100000));".repeat(5)} COMMIT; INSERT INTO shop.line (note) VALUES ('behind')`,
    )
    await until('everything was yielded', async () => {
      const { gtid } = chain.backups.at(-1)?.position?.value ?? {}
      return gtid === (await server.client('SELECT @@gtid_binlog_pos')).trim() ? true : undefined
    })
    stop.abort()
    expect((await notesIn(await following)).map((note) => note.slice(0, 6))).toEqual(['small', ...Array(5).fill('yyyyyy'), 'behind'])
  })

  it('refuses to follow where a full is due', async () => {
    await expect(follow(() => true)).rejects.toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('no full backup yet') })
    await chain.backUp('full')
    await server.client('RESET MASTER')
    await expect(follow(() => true)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('it was restored or reset'),
    })
  })

  it('leaves nothing on the server when it is aborted while nothing happens', async () => {
    await chain.backUp('full')
    const stop = new AbortController()
    const following = follow(() => false, {}, stop)
    const dumps = async () =>
      Number(await server.client("SELECT COUNT(*) FROM information_schema.processlist WHERE command = 'Binlog Dump'"))
    await until('it follows', async () => ((await dumps()) === 1 ? true : undefined))
    stop.abort()
    expect(await following).toEqual([])
    await until('the server has ended it', async () => ((await dumps()) === 0 ? true : undefined))
  })

  it('yields what was written until the server died, then says that it is gone', async () => {
    await chain.backUp('full')
    const stored: ChainedBackup[] = []
    let committedAt = 0
    const writing = (async () => {
      for (let index = 0; index < 40; index++) {
        await write(`crash-${index}`)
        committedAt = performance.now()
      }
      await delay(1000)
      await server.kill()
      return performance.now()
    })()
    const following = follow(
      (now) => {
        stored.splice(0, stored.length, ...now)
        return false
      },
      { everySeconds: 10 },
    )
    await expect(following).rejects.toMatchObject({ code: 'UNREACHABLE' })
    const diedAt = await writing
    const notes = await notesIn(stored)
    expect(notes.at(-1)).toBe('crash-39')
    expect(notes).toHaveLength(40)
    process.stdout.write(
      `rows committed ${Math.round(diedAt - committedAt)} ms before the server was killed were in what was yielded; none of 40 was lost\n`,
    )
    await server.restart()
    await write('after')
    const again = await follow((now) => now.length === 1)
    expect((await notesIn(again)).at(-1)).toBe('after')
  })
})
