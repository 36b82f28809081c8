import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { RestorePlan } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { connect, type MysqlConnection } from '../src/mysql-connection.ts'
import { runMysqlRestore } from '../src/restore/index.ts'
import { backUpToFolder, type FolderBackup, FolderFiles } from './folder-backup.ts'
import { shopSql } from './restore-fixture.ts'
import { planFor, resolved } from './restore-round-trip.ts'
import { schemaText } from './schema-fingerprint.ts'

let server: ThrowawayMariadb
let folder: FolderBackup
let expected: string
let scratch: string

beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client([], { input: shopSql })
  await server.client(`
    USE shop; CREATE TABLE shop.big (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a VARCHAR(60), b INT, KEY by_a (a), KEY by_b (b)) ENGINE=InnoDB;
    INSERT INTO shop.big (a, b) SELECT SHA1(seq), seq % 97 FROM seq_1_to_60000;
    CREATE TABLE shop.keyless (a VARCHAR(60), b INT) ENGINE=InnoDB;
    INSERT INTO shop.keyless SELECT MD5(seq % 1000), seq % 3 FROM seq_1_to_20000;
    CREATE TABLE shop.old_engine (a VARCHAR(60), b INT) ENGINE=MyISAM;
    INSERT INTO shop.old_engine SELECT MD5(seq % 1000), seq % 3 FROM seq_1_to_20000`)
  expected = await schemaText(server, 'shop')
  folder = await backUpToFolder(server, { chunkBytes: 65_536, users: false })
  scratch = await mkdtemp(join(tmpdir(), 'bp-restore-'))
})

beforeEach(() => server.client('DROP DATABASE IF EXISTS shop; DROP DATABASE IF EXISTS backup_planet_restore'))

afterAll(async () => {
  await folder?.[Symbol.asyncDispose]()
  if (scratch !== undefined) await rm(scratch, { recursive: true, force: true })
  await server?.stop()
})

const files = () => new FolderFiles(folder.directory, folder.backup)
const finish = (plan: RestorePlan) => runMysqlRestore(resolved(server), plan, files())

interface Kill {
  /** Killed once the journal has this many entries … */
  readonly entries: number
  /** … and this much later. */
  readonly milliseconds: number
}

/** A restore in a child that is killed; resolves with whether it was still at work. */
async function killedRestore(plan: RestorePlan, kill: Kill): Promise<boolean> {
  const work = join(scratch, 'work.json')
  await writeFile(work, JSON.stringify({ settings: resolved(server), plan, directory: folder.directory }))
  const child = spawn(process.execPath, ['--conditions=@backup-planet/source', join(import.meta.dirname, 'restore-child.ts'), work], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  await once(child.stdout, 'data')
  await using watch = await connect(resolved(server))
  const entries = async () => {
    const [row] = await watch.rows('SELECT COUNT(*) AS entries FROM backup_planet_restore.done').catch(() => [])
    return row?.number('entries') ?? 0
  }
  while (child.exitCode === null && (await entries()) < kill.entries) await delay(5)
  await Promise.race([delay(kill.milliseconds), exit])
  const alive = child.exitCode === null
  child.kill('SIGKILL')
  await exit
  await connectionsGone(watch)
  return alive
}

/** The server notices on its own that the sessions of a killed process are gone, and rolls them back. */
async function connectionsGone(watch: MysqlConnection): Promise<void> {
  const deadline = Date.now() + 20_000
  while (Date.now() < deadline) {
    const rows = await watch.rows("SELECT info FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND command <> 'Daemon'")
    if (rows.length === 0) return
    await delay(20)
  }
  throw new Error(`sessions of a killed process stayed:\n${await server.client('SHOW PROCESSLIST')}`)
}

const seed = Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 1_000_000)
const runs = Number(process.env.BACKUP_PLANET_RUNS ?? 1)

describe('a restore that is cut', () => {
  it(`goes on where it stopped after kill -9 at any moments (seed ${seed})`, { timeout: 60_000 + runs * 60_000 }, async () => {
    const kill = fc.record({ entries: fc.integer({ min: 0, max: 110 }), milliseconds: fc.integer({ min: 0, max: 40 }) })
    let hit = 0
    const always = [{ entries: 40, milliseconds: 5 }]
    for (const kills of [always, ...fc.sample(fc.array(kill, { minLength: 1, maxLength: 3 }), { seed, numRuns: runs })]) {
      const during = `killed at ${JSON.stringify(kills)}`
      await server.client('DROP DATABASE IF EXISTS shop')
      for (const one of kills) {
        const plan = await planFor(server, folder)
        if (plan.problems.some((problem) => problem.code === 'ALREADY_EXISTS')) break
        if (await killedRestore(plan, one)) hit++
      }
      const again = await planFor(server, folder)
      // Without a journal it had ended before it could be killed.
      if (
        (await server.client("SHOW DATABASES LIKE 'backup_planet_restore'")) !== '' ||
        !again.problems.some((problem) => problem.code === 'ALREADY_EXISTS')
      ) {
        expect((await finish(again)).items[0]?.failure, during).toBeUndefined()
      }
      expect(await schemaText(server, 'shop'), during).toBe(expected)
      expect(await server.client("SHOW DATABASES LIKE 'backup_planet_restore'")).toBe('')
    }
    expect(hit).toBeGreaterThan(0)
  })

  it('loads no file twice, and planning the same again gives the plan that was begun', async () => {
    const plan = await planFor(server, folder)
    const cut = new AbortController()
    const first = files()
    let given = 0
    first.onFile = (file) => {
      if (/\.(big|keyless)\.\d+\.dat\.zst$/.test(file.name) && ++given === 12) cut.abort()
    }
    await expect(runMysqlRestore(resolved(server), plan, first, { signal: cut.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(first.held).toBe(0)
    const loaded = Number(await server.client("SELECT COUNT(*) FROM backup_planet_restore.done WHERE what LIKE '%dat.zst'"))
    expect(loaded).toBeGreaterThan(0)
    expect(await planFor(server, folder)).toEqual(plan)
    const second = files()
    const report = await runMysqlRestore(resolved(server), JSON.parse(JSON.stringify(plan)) as RestorePlan, second)
    expect(report.items[0]?.failure).toBeUndefined()
    const transactional = (names: readonly string[]) => names.filter((name) => /\.dat\.zst$/.test(name) && !/old_engine|audit/.test(name))
    expect(transactional(second.streamed).length + loaded).toBeGreaterThanOrEqual(
      transactional(files().inventory.map((file) => file.name)).length,
    )
    expect(transactional(second.streamed).length).toBeLessThan(transactional(files().inventory.map((file) => file.name)).length)
    expect(await schemaText(server, 'shop')).toBe(expected)
  })

  it('is refused to any other plan, with the way out in the hint', async () => {
    const plan = await planFor(server, folder)
    const cut = new AbortController()
    const some = files()
    some.onFile = (file) => {
      if (file.name.endsWith('.dat.zst')) cut.abort()
    }
    await expect(runMysqlRestore(resolved(server), plan, some, { signal: cut.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    const other = await planFor(server, folder, { overwrite: true })
    expect(other.problems[0]).toMatchObject({
      severity: 'error',
      code: 'CONFLICT',
      hint: expect.stringContaining('DROP DATABASE backup_planet_restore'),
    })
    const forged = { ...plan, request: { ...plan.request, options: { verify: 'none' } } }
    await expect(finish(forged)).rejects.toMatchObject({ code: 'CONFLICT' })
    await server.client('DROP DATABASE backup_planet_restore')
    expect((await finish(await planFor(server, folder, { overwrite: true }))).items[0]?.failure).toBeUndefined()
    expect(await schemaText(server, 'shop')).toBe(expected)
  })

  it('never drops rows that somebody else has put there meanwhile', async () => {
    const plan = await planFor(server, folder)
    const cut = new AbortController()
    const some = files()
    some.onFile = (file) => {
      if (file.name.endsWith('.dat.zst')) cut.abort()
    }
    await expect(runMysqlRestore(resolved(server), plan, some, { signal: cut.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    // As if the run had been cut before it came to this table.
    await server.client(
      "DELETE FROM backup_planet_restore.done WHERE what = 'shop · table · empty_table'; INSERT INTO shop.empty_table VALUES (42)",
    )
    expect((await finish(plan)).items[0]?.failure?.code).toBe('CONFLICT')
    expect(await server.client('SELECT a FROM shop.empty_table')).toBe('42\n')
    await server.client('DROP TABLE shop.empty_table')
    expect((await finish(plan)).items[0]?.failure).toBeUndefined()
    expect(await schemaText(server, 'shop')).toBe(expected)
  })

  it('is aborted at once, on the server too', async () => {
    const plan = await planFor(server, folder)
    const cut = new AbortController()
    const some = files()
    let given = 0
    some.onFile = async (file) => {
      if (file.name.endsWith('.dat.zst') && ++given === 6) setTimeout(() => cut.abort(), 5)
    }
    const began = Date.now()
    await expect(runMysqlRestore(resolved(server), plan, some, { signal: cut.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(Date.now() - began).toBeLessThan(20_000)
    await using watch = await connect(resolved(server))
    await connectionsGone(watch)
    const before = new AbortController()
    before.abort()
    await server.client('DROP DATABASE backup_planet_restore; DROP DATABASE shop')
    await expect(runMysqlRestore(resolved(server), plan, some, { signal: before.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await server.client("SHOW DATABASES LIKE 'backup_planet_restore'")).toBe('')
  })

  it('goes on after the server was killed and has recovered', async () => {
    const plan = await planFor(server, folder)
    const some = files()
    let given = 0
    some.onFile = async (file) => {
      if (file.name.endsWith('.dat.zst') && ++given === 20) await server.kill()
    }
    await expect(runMysqlRestore(resolved(server), plan, some)).rejects.toMatchObject({ code: 'UNREACHABLE' })
    expect(some.held).toBe(0)
    await server.restart()
    const report = await finish(await planFor(server, folder))
    expect(report.items[0]?.failure).toBeUndefined()
    expect(await schemaText(server, 'shop')).toBe(expected)
  })
})

describe('other sessions', () => {
  it('that hold a lock only make the restore wait and try again', async () => {
    const plan = await planFor(server, folder)
    await using blocker = await connect(resolved(server))
    let locked = false
    const some = files()
    some.onFile = async (file) => {
      if (locked || !/big\.\d+\.dat\.zst$/.test(file.name)) return
      locked = true
      await server.client('SET GLOBAL innodb_lock_wait_timeout = 1')
      await blocker.run('START TRANSACTION')
      // A gap lock over the whole table: every insert waits, and times out.
      await blocker.rows('SELECT COUNT(*) FROM shop.big WHERE id > 0 FOR UPDATE')
      setTimeout(() => void blocker.run('ROLLBACK'), 2500)
    }
    const report = await runMysqlRestore(resolved(server), plan, some)
    await server.client('SET GLOBAL innodb_lock_wait_timeout = 50')
    expect(locked).toBe(true)
    expect(report.items[0]?.failure).toBeUndefined()
    expect(await schemaText(server, 'shop')).toBe(expected)
  })

  it('that hold a lock do not keep an abort waiting', async () => {
    const plan = await planFor(server, folder)
    await using blocker = await connect(resolved(server))
    const cut = new AbortController()
    let aborted = 0
    const some = files()
    some.onFile = async (file) => {
      if (aborted > 0 || !/big\.\d+\.dat\.zst$/.test(file.name)) return
      await blocker.run('START TRANSACTION')
      await blocker.rows('SELECT COUNT(*) FROM shop.big WHERE id > 0 FOR UPDATE')
      aborted = Date.now() + 1000
      setTimeout(() => cut.abort(), 1000)
    }
    await expect(runMysqlRestore(resolved(server), plan, some, { signal: cut.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    // innodb_lock_wait_timeout is 50 seconds.
    expect(Date.now() - aborted).toBeLessThan(15_000)
    await blocker.run('ROLLBACK')
    await connectionsGone(blocker)
  })
})
