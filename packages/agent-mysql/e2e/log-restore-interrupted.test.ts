import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { RestorePlan } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { binlogItem } from '../src/dump-layout.ts'
import { connect } from '../src/mysql-connection.ts'
import { runMysqlRestore } from '../src/restore/index.ts'
import { BackupChain, emptyServer, loggedState, planReplay } from './replay-fixture.ts'
import { resolved } from './restore-round-trip.ts'

let source: ThrowawayMariadb
let target: ThrowawayMariadb
let chain: BackupChain
let expected: string
let scratch: string

beforeAll(async () => {
  ;[source, target] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
  scratch = await mkdtemp(join(tmpdir(), 'bp-replay-'))
  await source.client(`CREATE DATABASE d; USE d;
    CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a VARCHAR(200)) ENGINE=InnoDB;
    CREATE TABLE keyless (a INT) ENGINE=InnoDB;
    CREATE TABLE sums (id INT PRIMARY KEY, n INT) ENGINE=InnoDB; INSERT INTO sums VALUES (1, 0)`)
  chain = new BackupChain(source)
  await chain.full({ users: false })
  // Changes that would show if they were applied twice, small and large, in several logs.
  for (let log = 1; log <= 3; log++) {
    await source.client([], {
      input: `USE d; ${Array.from({ length: 250 }, (_, n) => `BEGIN; INSERT INTO keyless VALUES (${n}); UPDATE sums SET n = n + 1; COMMIT;`).join('\n')}
        INSERT INTO t (a) SELECT SHA1(seq) FROM seq_1_to_20000; UPDATE sums SET n = n * 2 % 1000003; UPDATE t SET a = CONCAT(a, 'x');
        CREATE TABLE made${log} (a INT); ALTER TABLE t ADD COLUMN c${log} INT DEFAULT ${log}; FLUSH BINARY LOGS;`,
    })
    await chain.log()
  }
  expected = await loggedState(source, 'd')
})

afterEach(async () => {
  await target.client('DROP DATABASE IF EXISTS backup_planet_restore')
  await emptyServer(target)
})

afterAll(async () => {
  await chain?.[Symbol.asyncDispose]()
  await rm(scratch, { recursive: true, force: true })
  await Promise.all([source?.stop(), target?.stop()])
})

const seed = Number(process.env.BACKUP_PLANET_SEED ?? Date.now() % 1_000_000)
const runs = Number(process.env.BACKUP_PLANET_REPLAY_KILLS ?? 1)

/** A restore in a child that is killed a while after its replay has begun; resolves with whether it was still at work. */
async function killedReplay(plan: RestorePlan, milliseconds: number): Promise<boolean> {
  const work = join(scratch, 'work.json')
  await writeFile(work, JSON.stringify({ settings: resolved(target), plan, folders: chain.folders }))
  const child = spawn(process.execPath, ['--conditions=@backup-planet/source', join(import.meta.dirname, 'log-restore-child.ts'), work], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const exit = once(child, 'exit')
  await using watch = await connect(resolved(target))
  const begun = () =>
    watch.rows('SELECT log_number FROM backup_planet_restore.replay').then(
      (rows) => rows.length > 0,
      () => false,
    )
  while (child.exitCode === null && !(await begun())) await delay(5)
  await Promise.race([delay(milliseconds), exit])
  const alive = child.exitCode === null
  child.kill('SIGKILL')
  await exit
  return alive
}

/** Not in a statement that commits by itself, which is never repeated. */
async function killBetweenStatements(): Promise<void> {
  await using session = await connect(resolved(target))
  for (;;) {
    // Waits for the statement that runs, and lets no other change anything.
    await session.run('FLUSH TABLES WITH READ LOCK')
    const [replay] = await session.rows('SELECT begun FROM backup_planet_restore.replay')
    if (replay?.number('begun') === 0) break
    await session.run('UNLOCK TABLES')
  }
  await target.kill()
}

describe.each(['tools', 'statements'])('a replay by %s that is cut', (replay) => {
  const plan = () => planReplay(chain, target, { options: { replay, users: 'none' }, overwrite: false })

  it(`goes on where it stopped after kill -9 at any moments (seed ${seed})`, { timeout: 120_000 + runs * 120_000 }, async () => {
    let hit = 0
    const sampled = fc.sample(fc.array(fc.integer({ min: 0, max: 1500 }), { minLength: 1, maxLength: 3 }), { seed, numRuns: runs })
    // The first one surely hits.
    for (const kills of sampled.map((some, index) => (index === 0 ? [(some[0] ?? 0) % 100, ...some.slice(1)] : some))) {
      await emptyServer(target)
      const planned = await plan()
      for (const milliseconds of kills) {
        if (!(await killedReplay(planned, milliseconds))) break
        hit++
      }
      const isOver = (await target.client("SHOW DATABASES LIKE 'backup_planet_restore'")) === ''
      const report = isOver ? undefined : await runMysqlRestore(resolved(target), planned, chain.files())
      expect(report?.items.flatMap((item) => item.failure ?? []) ?? [], `killed after ${kills.join(', ')} ms`).toEqual([])
      expect(await loggedState(target, 'd'), `killed after ${kills.join(', ')} ms`).toBe(expected)
    }
    expect(hit).toBeGreaterThan(0)
  })

  it('leaves no client and no query behind when it is aborted, and goes on later', async () => {
    const planned = await plan()
    const abort = new AbortController()
    const files = chain.files()
    let given = 0
    files.onFile = (file) => {
      if (file.item === binlogItem && ++given === 3) abort.abort()
    }
    await expect(runMysqlRestore(resolved(target), planned, files, { signal: abort.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(files.held).toBe(0)
    await using watch = await connect(resolved(target))
    const others = () => watch.rows("SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND command <> 'Daemon'")
    for (let waited = 0; (await others()).length > 0 && waited < 200; waited++) await delay(20)
    expect(await others()).toEqual([])
    expect((await runMysqlRestore(resolved(target), planned, chain.files())).items.flatMap((item) => item.failure ?? [])).toEqual([])
    expect(await loggedState(target, 'd')).toBe(expected)
  })

  it('goes on after the server itself has died', async () => {
    const planned = await plan()
    const files = chain.files()
    let given = 0
    files.onFile = async (file) => {
      if (file.item === binlogItem && ++given === 3) await killBetweenStatements()
    }
    await expect(runMysqlRestore(resolved(target), planned, files)).rejects.toMatchObject({ code: 'UNREACHABLE' })
    expect(files.held).toBe(0)
    await target.restart()
    expect((await runMysqlRestore(resolved(target), planned, chain.files())).items.flatMap((item) => item.failure ?? [])).toEqual([])
    expect(await loggedState(target, 'd')).toBe(expected)
  })

  it('ends before a damaged log, says how far it came, and goes on once the log is whole again', async () => {
    const planned = await plan()
    const folder = chain.folders[2]
    const name = folder?.backup.items[0]?.files?.[0]?.name ?? ''
    const path = join(folder?.directory ?? '', binlogItem, name)
    const whole = await readFile(path)
    await truncate(path, whole.length - 100)
    const report = await runMysqlRestore(resolved(target), planned, chain.files())
    const failure = report.items.find((item) => item.item === binlogItem)?.failure
    expect(failure).toMatchObject({ code: 'CORRUPTED', message: expect.stringContaining(name) })
    expect(failure?.message).toMatch(/everything up to binlog\.\d+:\d+ is applied$/)
    expect(await target.client("SHOW TABLES IN d LIKE 'made%'")).toBe('made1\n')
    await truncate(path, 0)
    await appendFile(path, whole)
    expect((await runMysqlRestore(resolved(target), planned, chain.files())).items.flatMap((item) => item.failure ?? [])).toEqual([])
    expect(await loggedState(target, 'd')).toBe(expected)
  })

  it('never guesses: a statement that may be there or not ends the restore', async () => {
    const planned = await plan()
    const abort = new AbortController()
    const files = chain.files()
    let given = 0
    files.onFile = (file) => {
      if (file.item === binlogItem && ++given === 2) abort.abort()
    }
    await expect(runMysqlRestore(resolved(target), planned, files, { signal: abort.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    // As if it had been cut in a statement that commits by itself.
    const name = chain.folders[1]?.backup.items[0]?.files?.[0]?.name
    const events = (await source.client(`SHOW BINLOG EVENTS IN '${name}'`)).split('\n').map((line) => line.split('\t'))
    const created = events.findIndex((fields) => fields[5]?.includes('CREATE TABLE made1'))
    await target.client(`UPDATE backup_planet_restore.replay SET log_number = 0, log_offset = ${events[created - 1]?.[1]}, begun = 1`)
    const report = await runMysqlRestore(resolved(target), planned, chain.files())
    expect(report.items.find((item) => item.item === binlogItem)?.failure).toMatchObject({
      code: 'CONFLICT',
      message: expect.stringMatching(/cannot go on where it was cut: .* had begun/),
    })
  })
})
