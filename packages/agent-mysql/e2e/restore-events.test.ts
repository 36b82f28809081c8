import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runMysqlRestore } from '../src/restore/index.ts'
import { backUpToFolder, type FolderBackup, FolderFiles } from './folder-backup.ts'
import { planFor, resolved, restoreAll } from './restore-round-trip.ts'
import { schemaText } from './schema-fingerprint.ts'

let server: ThrowawayMariadb
let folder: FolderBackup
let expected: string

beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client([], {
    input: `SET NAMES utf8mb4; SET time_zone = '+00:00'; CREATE DATABASE busy CHARACTER SET latin1; USE busy;
      CREATE USER 'maker'@'%'; GRANT ALL ON busy.* TO 'maker'@'%';
      CREATE TABLE fired (at DATETIME(6)) ENGINE=InnoDB;
      CREATE TABLE filler (id INT PRIMARY KEY, b VARCHAR(40), KEY (b)) ENGINE=InnoDB; INSERT INTO filler SELECT seq, SHA1(seq) FROM seq_1_to_20000;
      SET sql_mode = 'ANSI_QUOTES', time_zone = '+05:00', character_set_client = latin1, collation_connection = latin1_german1_ci;
      CREATE DEFINER='maker'@'%' EVENT "each second" ON SCHEDULE EVERY 1 SECOND STARTS '2020-01-01 00:00:00' ON COMPLETION PRESERVE ENABLE COMMENT 'ENABLE' DO INSERT INTO "busy"."fired" VALUES (NOW(6));
      CREATE DEFINER='maker'@'%' EVENT "asleep" ON SCHEDULE EVERY 1 SECOND STARTS '2020-01-01 00:00:00' ON COMPLETION PRESERVE DISABLE DO DELETE FROM "busy"."filler";
      CREATE EVENT "later" ON SCHEDULE AT '2037-01-01 00:00:00' ON COMPLETION NOT PRESERVE ENABLE DO DELETE FROM "busy"."filler";
      CREATE EVENT "soon" ON SCHEDULE AT NOW() + INTERVAL 1 HOUR ON COMPLETION NOT PRESERVE ENABLE DO DELETE FROM "busy"."filler";
      SET NAMES utf8mb4; SET sql_mode = '';
      CREATE DATABASE clock; CREATE TABLE clock.ticks (n INT) ENGINE=InnoDB; INSERT INTO clock.ticks VALUES (0);
      CREATE EVENT clock.tick ON SCHEDULE EVERY 1 SECOND DO UPDATE clock.ticks SET n = n + 1`,
  })
  expected = await schemaText(server, 'busy')
  folder = await backUpToFolder(server, { users: false, chunkBytes: 65_536 }, ['busy'])
})

beforeEach(() =>
  server.client(
    'SET GLOBAL event_scheduler = OFF; DROP DATABASE IF EXISTS busy; DROP DATABASE IF EXISTS backup_planet_restore; SET GLOBAL event_scheduler = ON',
  ),
)

afterAll(async () => {
  await folder?.[Symbol.asyncDispose]()
  await server?.stop()
})

const fired = async () => Number(await server.client('SELECT COUNT(*) FROM busy.fired'))

async function until(reached: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 30_000; !(await reached()); await delay(50)) {
    if (Date.now() > deadline) throw new Error('the scheduler of events does not run')
  }
}

/** The scheduler has run every event that was due since. */
async function twoTicks(): Promise<void> {
  const ticks = async () => Number(await server.client('SELECT n FROM clock.ticks'))
  const before = await ticks()
  await until(async () => (await ticks()) >= before + 2)
}

describe('events', () => {
  it('come back as they were, with their definers, sessions and zones', async () => {
    await server.client('SET GLOBAL event_scheduler = OFF')
    await restoreAll(server, folder)
    expect(await schemaText(server, 'busy')).toBe(expected)
    expect(
      await server.client("SELECT DEFINER, STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'busy' ORDER BY EVENT_NAME"),
    ).toBe('maker@%\tDISABLED\nmaker@%\tENABLED\nroot@127.0.0.1\tENABLED\nroot@127.0.0.1\tENABLED\n')
  })

  it('do not run while rows come back, and run afterwards', async () => {
    const plan = await planFor(server, folder)
    const files = new FolderFiles(folder.directory, folder.backup)
    let held = 0
    files.onFile = async (file) => {
      if (!/filler\.\d+\.dat\.zst$/.test(file.name) || ++held > 2) return
      await twoTicks()
      expect(await fired()).toBe(0)
    }
    const report = await runMysqlRestore(resolved(server), plan, files)
    expect(held).toBeGreaterThan(1)
    expect(report.items[0]?.failure).toBeUndefined()
    await until(async () => (await fired()) > 0)
  })

  it.each(['compare with what the backup recorded', 'enable events'])('do not run after a restore that was cut at: %s', async (step) => {
    const plan = await planFor(server, folder)
    const cut = new AbortController()
    const files = () => new FolderFiles(folder.directory, folder.backup)
    const onProgress = (event: { readonly type: string; readonly text?: string }) => {
      if (event.type === 'step' && event.text === step) cut.abort()
    }
    await expect(runMysqlRestore(resolved(server), plan, files(), { signal: cut.signal, onProgress })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    expect(await server.client("SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'busy'")).toBe('4\n')
    await twoTicks()
    expect(await fired()).toBe(0)
    expect((await runMysqlRestore(resolved(server), plan, files())).items[0]?.failure).toBeUndefined()
    await until(async () => (await fired()) > 0)
  })

  it('that have changed rows already do not fail a restore that was cut after that', async () => {
    const plan = await planFor(server, folder)
    const files = () => new FolderFiles(folder.directory, folder.backup)
    const cut = new AbortController()
    const onProgress = (event: { readonly type: string; readonly text?: string }) => {
      if (event.type === 'step' && event.text === 'enable events') cut.abort()
    }
    await expect(runMysqlRestore(resolved(server), plan, files(), { signal: cut.signal, onProgress })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    const id = "SHA2(JSON_COMPACT(JSON_ARRAY('busy', 'events may run')), 256)"
    await server.client(
      `INSERT INTO backup_planet_restore.done VALUES (${id}, 'as if killed in the middle of enabling', NOW()); INSERT INTO busy.fired VALUES (NOW(6))`,
    )
    expect((await runMysqlRestore(resolved(server), plan, files())).items[0]?.failure).toBeUndefined()
  })

  it('whose one moment has passed since the backup are told', async () => {
    await server.client(`CREATE DATABASE past; CREATE EVENT past.once ON SCHEDULE AT NOW() + INTERVAL 4 SECOND DO SET @a = 1;
      CREATE EVENT past.still ON SCHEDULE AT '2037-01-01' DO SET @a = 1`)
    await using backup = await backUpToFolder(server, { users: false }, ['past'])
    expect(await readFile(join(backup.directory, 'past', 'objects.jsonl'), 'utf8')).toContain('`once`')
    await until(async () => (await server.client("SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'past'")) === '1\n')
    await twoTicks()
    await server.client('DROP DATABASE past')
    const report = await restoreAll(server, backup)
    expect(report.problems).toMatchObject([{ severity: 'warning', message: expect.stringContaining('event past.once was not created') }])
    expect(await server.client("SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'past'")).toBe('still\n')
    await server.client('DROP DATABASE past')
  })
})
