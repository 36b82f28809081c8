import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readdir, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { BackupError, type RestorePlan } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { connect } from '../src/mysql-connection.ts'
import { runMysqlRestore } from '../src/restore/index.ts'
import { backUpToFolder, type FolderBackup, FolderFiles } from './folder-backup.ts'
import { shopSql } from './restore-fixture.ts'
import { planFor, resolved } from './restore-round-trip.ts'
import { schemaText } from './schema-fingerprint.ts'

let server: ThrowawayMariadb
let folder: FolderBackup
let expected: string

beforeAll(async () => {
  server = await startThrowawayMariadb()
  await server.client([], { input: shopSql })
  await server.client(`USE shop;
    CREATE TABLE shop.big (id INT NOT NULL PRIMARY KEY, a VARCHAR(60), b INT, KEY by_a (a), UNIQUE KEY by_b (b)) ENGINE=InnoDB;
    INSERT INTO shop.big SELECT seq, SHA1(seq), seq FROM seq_1_to_20000`)
  expected = await schemaText(server, 'shop')
  folder = await backUpToFolder(server, { chunkBytes: 65_536, users: false })
})

beforeEach(() => server.client('DROP DATABASE IF EXISTS shop; DROP DATABASE IF EXISTS backup_planet_restore'))

afterAll(async () => {
  await folder?.[Symbol.asyncDispose]()
  await server?.stop()
})

const files = () => new FolderFiles(folder.directory, folder.backup)
const finish = (plan: RestorePlan, target = server) => runMysqlRestore(resolved(target), plan, files())

async function until(what: string, reached: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 30_000; !(await reached()); await delay(20)) {
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}\n${await server.client('SHOW FULL PROCESSLIST')}`)
  }
}

describe('a restore in trouble', () => {
  it('survives a deadlock that the server resolves against it', async () => {
    const plan = await planFor(server, folder, { options: { threads: 1, deferIndexes: false } })
    await using other = await connect(resolved(server))
    const deadlocks = async () => Number((await server.client("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")).split('\t')[1])
    const before = await deadlocks()
    let crossing: Promise<void> | undefined
    const some = files()
    some.onFile = async (file) => {
      if (crossing !== undefined || !/shop\.big\.\d+\.dat\.zst$/.test(file.name)) return
      // We hold the last row of the file; the restore inserts the first ones, waits for us, and we then want one of its own. The heavier
      // transaction wins, so ours has changed many rows first.
      await other.run('CREATE TABLE IF NOT EXISTS backup_planet_restore.weight (id INT PRIMARY KEY) ENGINE=InnoDB')
      await other.run('START TRANSACTION')
      await other.run('INSERT INTO backup_planet_restore.weight SELECT seq FROM backup_planet_restore.seq_1_to_50000')
      await other.run("INSERT INTO shop.big VALUES (600, 'in the way', -1)")
      crossing = (async () => {
        try {
          // Not INNODB_TRX: who reads that more often than ten times a second gets the same answer for ever.
          await until('the restore waits for us', async () => (await server.client('SHOW ENGINE INNODB STATUS')).includes('LOCK WAIT'))
          await other.run('SELECT 1 FROM shop.big WHERE id = 1 FOR UPDATE')
        } finally {
          await other.run('ROLLBACK')
        }
      })()
      crossing.catch(() => undefined)
    }
    const report = await runMysqlRestore(resolved(server), plan, some)
    await crossing
    expect(await deadlocks()).toBeGreaterThan(before)
    expect(report.items[0]?.failure).toBeUndefined()
    expect(await schemaText(server, 'shop')).toBe(expected)
  })

  it('does not mind other clients that write to other schemas, nor they it', async () => {
    await server.client(
      'CREATE OR REPLACE TABLE mysql.backup_planet_probe (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6)) ENGINE=InnoDB',
    )
    await using writer = await connect(resolved(server))
    const plan = await planFor(server, folder)
    let writes = 0
    let longest = 0
    let ended = false
    const writing = (async () => {
      while (!ended) {
        const began = Date.now()
        await writer.run('INSERT INTO mysql.backup_planet_probe (at) VALUES (NOW(6))')
        longest = Math.max(longest, Date.now() - began)
        writes++
      }
    })()
    const report = await finish(plan).finally(() => {
      ended = true
    })
    await writing
    expect(report.items[0]?.failure).toBeUndefined()
    expect(writes).toBeGreaterThan(50)
    expect(longest).toBeLessThan(5000)
    expect(await server.client('SELECT COUNT(*) FROM mysql.backup_planet_probe')).toBe(`${writes}\n`)
    await server.client('DROP TABLE mysql.backup_planet_probe')
    expect(await schemaText(server, 'shop')).toBe(expected)
  })

  it('is refused while the same plan is being executed, which goes on undisturbed', async () => {
    const plan = await planFor(server, folder)
    const some = files()
    let second: Promise<unknown> | undefined
    some.onFile = async (file) => {
      if (second !== undefined || !/shop\.big\.\d+\.dat\.zst$/.test(file.name)) return
      second = finish(plan)
      await expect(second).rejects.toMatchObject({ code: 'CONFLICT', message: expect.stringContaining('another restore') })
    }
    const report = await runMysqlRestore(resolved(server), plan, some)
    expect(second).toBeDefined()
    expect(report.items[0]?.failure).toBeUndefined()
    expect(await schemaText(server, 'shop')).toBe(expected)
  })

  it('leaves no query, no lock and no session after an abort at any step, and goes on from there', async () => {
    const steps: string[] = []
    await runMysqlRestore(resolved(server), await planFor(server, folder), files(), {
      onProgress: (event) => void (event.type === 'step' && steps.push(event.text)),
    })
    expect(steps.length).toBeGreaterThan(8)
    await server.client('DROP DATABASE shop')
    await using watch = await connect(resolved(server))
    const plan = await planFor(server, folder)
    for (const step of steps) {
      const cut = new AbortController()
      const aborted = runMysqlRestore(resolved(server), plan, files(), {
        signal: cut.signal,
        onProgress: (event) => {
          if (event.type === 'step' && event.text === step) cut.abort()
        },
      })
      await expect(aborted, step).rejects.toMatchObject({ code: 'ABORTED' })
      await until(`no session after ${step}`, async () => {
        const others = "SELECT COUNT(*) AS others FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND COMMAND <> 'Daemon'"
        const [row] = await watch.rows(others)
        return row?.number('others') === 0
      })
      const [lock] = await watch.rows("SELECT IS_FREE_LOCK('backup_planet_restore') AS free")
      const [transactions] = await watch.rows('SELECT COUNT(*) AS open FROM information_schema.INNODB_TRX')
      expect([step, lock?.number('free'), transactions?.number('open')]).toEqual([step, 1, 0])
    }
    expect((await finish(plan)).items[0]?.failure).toBeUndefined()
    expect(await schemaText(server, 'shop')).toBe(expected)
  }, 120_000)
})

const run = promisify(execFile)

/** Only root may mount, and not in every container. */
async function canMount(): Promise<boolean> {
  const place = await mkdtemp(join(tmpdir(), 'bp-mount-'))
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place])
    await run('umount', [place])
    return true
  } catch {
    return false
  } finally {
    await rm(place, { recursive: true })
  }
}

describe('a target whose tablespace is full', () => {
  it('says so, keeps what it has, and goes on once there is room', async () => {
    const tablespace = (most: number) => [
      '--innodb-file-per-table=0',
      `--innodb-data-file-path=ibdata1:12M:autoextend:max:${most}M`,
      '--innodb-autoextend-increment=1',
    ]
    await using small = await startThrowawayMariadb({ serverOptions: tablespace(20) })
    await small.client('CREATE DATABASE filler; CREATE TABLE filler.filler (b LONGBLOB) ENGINE=InnoDB')
    const fill = async () => {
      for (;;) await small.client("INSERT INTO filler.filler VALUES (REPEAT('x', 262144))")
    }
    await expect(fill()).rejects.toThrow(/1114/)
    await small.restart({ serverOptions: tablespace(22) })
    const plan = await planFor(small, folder)
    const report = await finish(plan, small)
    expect(report.items[0]?.failure).toMatchObject({ code: 'OUT_OF_SPACE', hint: expect.stringMatching(/[Ff]ree|enlarge/) })
    const loaded = Number(await small.client("SELECT COUNT(*) FROM backup_planet_restore.done WHERE what LIKE '%.dat.zst'"))
    await small.restart({ serverOptions: tablespace(200) })
    expect((await finish(plan, small)).items[0]?.failure).toBeUndefined()
    expect(loaded).toBeGreaterThan(0)
    expect(await schemaText(small, 'shop')).toBe(expected)
  }, 120_000)
})

/**
 * A server whose tables lie on the disk of `directory`, its own tablespace and logs in `roomy`: a server that cannot write its own pages
 * may never start again, and this is about tables.
 */
async function startWithOwnFilesIn(roomy: string, directory: string): Promise<ThrowawayMariadb> {
  const atRest = await startThrowawayMariadb({ directory })
  await atRest.stop()
  for (const name of await readdir(join(directory, 'data'))) {
    if (!/^(ibdata|ib_logfile|undo|ibtmp|aria_log)/.test(name)) continue
    await copyFile(join(directory, 'data', name), join(roomy, name))
    await rm(join(directory, 'data', name))
  }
  return startThrowawayMariadb({
    directory,
    serverOptions: [
      '--skip-log-bin',
      `--innodb-data-home-dir=${roomy}`,
      `--innodb-log-group-home-dir=${roomy}`,
      `--aria-log-dir-path=${roomy}`,
      `--tmpdir=${roomy}`,
    ],
  })
}

describe.skipIf(!(await canMount()))('a target whose disk is full', () => {
  it('says so, keeps what it has, and goes on once there is room', async () => {
    const roomy = await mkdtemp(join(tmpdir(), 'bp-roomy-'))
    const mount = await mkdtemp(join(tmpdir(), 'bp-full-'))
    await run('mount', ['-t', 'tmpfs', '-o', 'size=500m', 'tmpfs', mount])
    try {
      await using small = await startWithOwnFilesIn(roomy, join(mount, 'server'))
      const { bavail, bsize } = await statfs(mount)
      const filler = join(mount, 'filler')
      await run('fallocate', ['-l', String(bavail * bsize - 3_000_000), filler])
      const plan = await planFor(small, folder)
      // MariaDB 10.11 reports a full table, or ends because the rollback of what was loaded wants room too.
      const code = await finish(plan, small).then(
        (report) => report.items[0]?.failure?.code,
        (error: unknown) => (BackupError.is(error) ? error.code : error),
      )
      expect(['OUT_OF_SPACE', 'UNREACHABLE']).toContain(code)
      await rm(filler)
      await small.restart()
      expect((await finish(plan, small)).items[0]?.failure).toBeUndefined()
      expect(await schemaText(small, 'shop')).toBe(expected)
    } finally {
      await run('umount', [mount])
      await rm(mount, { recursive: true })
      await rm(roomy, { recursive: true, force: true })
    }
  }, 120_000)
})
