import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { historyOf, planChain, restoreWindows } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { binlogItem } from '../src/dump-layout.ts'
import { comparePositions } from '../src/mysql-position.ts'
import { binlogOf, binlogsIn, LogChain, storedBinlog } from './log-fixture.ts'

let server: ThrowawayMariadb
beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client('CREATE DATABASE shop; CREATE TABLE shop.line (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(200))')
})
afterAll(() => server?.stop())

const insert = (rows: number) => server.client(`USE shop; INSERT INTO shop.line (note) SELECT SHA2(seq, 256) FROM seq_1_to_${rows}`)

/** Which binlogs there are, and the last transaction; not their sizes, since a checkpoint may follow at any time. */
const written = async () =>
  `${(await server.client('SHOW BINARY LOGS')).replaceAll(/\t.*/g, '')}${await server.client('SELECT @@gtid_binlog_pos')}`

describe('a chain of log backups', () => {
  it('holds every binlog since the full, byte by byte, each backup where the one before it ended', async () => {
    await using chain = new LogChain(server)
    const full = await chain.backUp('full')
    for (const rows of [10, 2000, 1]) {
      await insert(rows)
      if (rows === 2000) await server.client('FLUSH BINARY LOGS; INSERT INTO shop.line (note) VALUES (1)')
      await chain.backUp('log')
    }
    const [, first, second, third] = chain.backups
    expect(chain.backups.map(({ kind }) => kind)).toEqual(['full', 'log', 'log', 'log'])
    expect(first?.from).toEqual(full.backup.position)
    expect(second?.from).toEqual(first?.position)
    expect(third?.from).toEqual(second?.position)
    expect(third?.position?.value).toMatchObject({ offset: '4', gtid: (await server.client('SELECT @@gtid_binlog_pos')).trim() })
    const windows = restoreWindows(historyOf(chain.backups, comparePositions))
    expect(windows).toHaveLength(1)
    expect(windows[0]).toMatchObject({ from: { at: full.backup.consistentAt }, to: { at: third?.consistentAt } })
    expect(planChain(historyOf(chain.backups, comparePositions), { latest: true })).toMatchObject({
      possible: true,
      backups: [{ kind: 'full' }, { kind: 'log' }, { kind: 'log' }, { kind: 'log' }],
    })
  })

  it('says of each file what is in it', async () => {
    await using chain = new LogChain(server)
    await chain.backUp('full')
    await insert(5)
    await server.client('FLUSH BINARY LOGS; INSERT INTO shop.line (note) VALUES (1); INSERT INTO shop.line (note) VALUES (2)')
    const log = await chain.backUp('log')
    const names = await binlogsIn(log)
    expect(names).toHaveLength(2)
    for (const name of names) expect((await storedBinlog(log, name)).equals(await binlogOf(server, name)), name).toBe(true)
    const listed = (await readFile(join(log.stage.directory, binlogItem, 'binlogs.jsonl'), 'utf8')).trim().split('\n')
    const facts = listed.map((line) => JSON.parse(line))
    expect(log.backup.items).toMatchObject([{ item: binlogItem, facts: { binlogs: facts, transactions: 3 } }])
    expect(facts.map(({ file, transactions, ends }) => [file, transactions, ends])).toEqual([
      [names[0], 1, 'rotate'],
      [names[1], 2, 'rotate'],
    ])
    for (const [index, fact] of facts.entries()) {
      const stored = log.stage.files.find(({ name }) => name === names[index])
      expect(fact).toMatchObject({ from: 0, to: stored?.size, bytes: stored?.size, sha256: stored?.sha256 })
      expect(Date.now() - Date.parse(fact.lastAt)).toBeLessThan(60_000)
    }
    expect(facts[1].gtidBefore).toBe(facts[0].gtidAfter)
    expect(log.backup.position?.value.gtid).toBe(facts[1].gtidAfter)
    expect(log.backup.covers).toHaveLength(1)
  })

  it('goes on without a file where nothing was written, and with one after that', async () => {
    await using chain = new LogChain(server)
    await chain.backUp('full')
    const before = await written()
    const empty = await chain.backUp('log')
    const again = await chain.backUp('log')
    expect(await written()).toBe(before)
    for (const { backup, stage } of [empty, again]) {
      expect(backup.position).toEqual(chain.backups[0]?.position)
      expect(backup.from).toEqual(backup.position)
      expect(stage.files).toEqual([])
      expect(backup.covers).toHaveLength(1)
    }
    await insert(1)
    const log = await chain.backUp('log')
    expect(await binlogsIn(log)).toHaveLength(1)
    const windows = restoreWindows(historyOf(chain.backups, comparePositions))
    expect(windows).toMatchObject([{ from: { at: chain.backups[0]?.consistentAt }, to: { at: log.backup.consistentAt } }])
    // And after a log, which ends at the beginning of a file.
    expect((await chain.backUp('log')).stage.files).toEqual([])
  })

  it('tells in the plan what the run does', async () => {
    await using chain = new LogChain(server)
    expect(await chain.agent.plan(chain.request('log'))).toMatchObject({
      kind: 'full',
      reason: expect.stringContaining('no full backup yet'),
    })
    await chain.backUp('full')
    const nothing = await chain.agent.plan(chain.request('log'))
    expect(nothing).toMatchObject({ kind: 'log', items: [{ name: binlogItem, detail: '0 binlogs' }] })
    await insert(1)
    const planned = await chain.agent.plan(chain.request('log'))
    const steps: string[] = []
    await chain.backUp('log', { onProgress: (progress) => progress.type === 'step' && steps.push(progress.text) })
    expect(planned.items).toMatchObject([{ detail: '1 binlog' }])
    expect(planned.steps.map(({ text }) => text)).toContain(steps[0])
  })
})
