import { cp, mkdir, readdir, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MoneyMovers } from './money-movers.ts'
import { BackupShelf, contentOf, emptyHome, physicalAgent, planFor, runGuide, startOn } from './physical-fixture.ts'

let source: ThrowawayMariadb

beforeAll(async () => {
  source = await startThrowawayMariadb()
  await source.client(`CREATE DATABASE shop; USE shop;
    CREATE TABLE line (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(250), KEY (note)); INSERT INTO line (note) SELECT SHA2(seq, 512) FROM seq_1_to_20000;
    CREATE TABLE old (word VARCHAR(50)) ENGINE=MyISAM; INSERT INTO old VALUES ('MyISAM'); CREATE TABLE aria (word VARCHAR(50)) ENGINE=Aria; INSERT INTO aria VALUES ('Aria');
    CREATE VIEW few AS SELECT id FROM line WHERE id < 10; CREATE FUNCTION one() RETURNS INT DETERMINISTIC RETURN 1;
    CREATE TRIGGER named BEFORE INSERT ON line FOR EACH ROW SET @seen = NEW.id; CREATE USER clerk@localhost IDENTIFIED BY 'a password'; GRANT SELECT ON shop.* TO clerk@localhost`)
  // Which makes a checkpoint: a differential brings everything since the one that its full began at.
  await source.restart()
})
afterAll(() => source?.stop())

describe('a physical backup of a server at rest', () => {
  it('brings back everything by a full and a differential, to the binlog position that it says', { timeout: 300_000 }, async () => {
    await using shelf = await BackupShelf.create()
    const agent = physicalAgent(source)
    const full = await shelf.backUp(agent, 'full')
    const before = await contentOf(source)
    await source.client(`USE shop; INSERT INTO line (note) VALUES ('after the full'); UPDATE line SET note = 'changed' WHERE id < 100; INSERT INTO old VALUES ('later');
      CREATE TABLE IF NOT EXISTS added (id INT PRIMARY KEY); INSERT IGNORE INTO added VALUES (1), (2)`)
    const differential = await shelf.backUp(agent, 'differential')
    const after = await contentOf(source)
    expect(full).toMatchObject({ kind: 'full', facts: { mode: 'physical', flavour: 'mariadb' } })
    expect(differential).toMatchObject({ kind: 'differential', from: full.position })
    expect(differential.reason).toBeUndefined()
    const bytes = (backup: typeof full) => backup.items[0]?.bytes ?? 0
    expect(bytes(differential)).toBeLessThan(bytes(full) / 2)
    for (const [backups, content] of [
      [[full], before],
      [[full, differential], after],
    ] as const) {
      await using home = await emptyHome()
      const plan = await planFor(agent, backups, home.datadir)
      expect(plan.problems).toEqual([])
      const report = await agent.restore(plan, shelf.files(backups))
      expect(report.items).toMatchObject([{ item: 'instance', checks: [{ name: 'binlog position', passed: true }] }])
      expect(await readdir(home.directory)).toEqual(['data', 'tmp'])
      expect((await stat(home.datadir)).mode & 0o777).toBe(0o700)
      await using restored = await startOn(home)
      expect(await contentOf(restored)).toBe(content)
      expect(await restored.client("SELECT COUNT(*) FROM mysql.global_priv WHERE User = 'clerk'")).toBe('1\n')
      const position = backups.at(-1)?.position
      expect(position).toMatchObject({ value: { file: expect.stringMatching(/^binlog\.\d+$/), gtid: expect.stringMatching(/^0-1-\d+$/) } })
    }
  })

  it('is brought back by the commands of RESTORE.md alone', { timeout: 300_000 }, async () => {
    await using shelf = await BackupShelf.create()
    const agent = physicalAgent(source, { physical: { partBytes: 1_048_576 } })
    const full = await shelf.backUp(agent, 'full')
    const before = await contentOf(source)
    expect(full.items[0]?.files?.length).toBeGreaterThan(5)
    await source.client("INSERT INTO shop.line (note) VALUES ('by hand')")
    const differential = await shelf.backUp(agent, 'differential')
    const after = await contentOf(source)

    await using first = await emptyHome()
    const folder = join(first.directory, 'instance')
    await cp(join(shelf.folder(full), 'instance'), folder, { recursive: true })
    await runGuide(shelf.folder(full), folder)
    await rename(join(folder, 'data'), first.datadir)
    await using one = await startOn(first)
    expect(await contentOf(one)).toBe(before)

    await using second = await emptyHome()
    const work = join(second.directory, 'work')
    await mkdir(work)
    await cp(join(shelf.folder(full), 'instance'), join(work, 'full'), { recursive: true })
    await cp(join(shelf.folder(differential), 'instance'), join(work, 'differential'), { recursive: true })
    await runGuide(shelf.folder(differential), work)
    await rename(join(work, 'data'), second.datadir)
    await using two = await startOn(second)
    expect(await contentOf(two)).toBe(after)
  })
})

describe('a physical backup of a server that is written to', () => {
  it('is one moment: no money is lost or made, and binlogs lead on from its position', { timeout: 300_000 }, async () => {
    await using shelf = await BackupShelf.create()
    const agent = physicalAgent(source)
    await using movers = await MoneyMovers.start(source, { accounts: 50, movers: 3 })
    const full = await shelf.backUp(agent, 'full')
    await movers.moved(200)
    await shelf.backUp(agent, 'differential')
    await movers.moved(200)
    const next = await shelf.backUp(agent, 'differential')
    await movers.stop()
    const end = await contentOf(source)
    expect(next).toMatchObject({ kind: 'differential', from: full.position })
    for (const backups of [[full], [full, next]]) {
      await using home = await emptyHome()
      const plan = await planFor(agent, backups, home.datadir)
      await agent.restore(plan, shelf.files(backups))
      await using restored = await startOn(home)
      expect(await movers.totalOn(restored)).toBe(movers.total)
      const journal = await movers.journalOn(restored)
      expect(journal.balancesMatch).toBe(true)
      // Every transfer of the copy was made at its moment or before, every other one afterwards, by the clock of the server.
      const moment = Date.parse(backups.at(-1)?.consistentAt ?? '')
      expect(journal.lastMilliseconds).toBeLessThanOrEqual(moment + 1)
      if (backups.includes(next)) continue
      await movers.applyBinlogs(restored, backups.at(-1)?.position?.value)
      expect(await contentOf(restored)).toBe(end)
    }
  })
})
