import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Agent, type Backup, BackupError, type RestoreReport, type Scratch, type ScratchRequest } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../src/mysql-connection.ts'
import { agentFor, resolvedSettings } from './capture-fixture.ts'
import { BackupShelf, filesBelow, physicalAgent } from './physical-fixture.ts'
import { privateRemains, schemaRemains, scratchParent, serversIn } from './scratch-fixture.ts'

let source: ThrowawayMariadb
let place: Awaited<ReturnType<typeof scratchParent>>
let dumps: BackupShelf
let copies: BackupShelf
const long = `a schema ${'x'.repeat(50)}`

beforeAll(async () => {
  source = await startThrowawayMariadb({ serverOptions: ['--event-scheduler=ON'] })
  place = await scratchParent()
  dumps = await BackupShelf.create()
  copies = await BackupShelf.create()
  await source.client(`CREATE DATABASE shop; USE shop; CREATE TABLE orders (id INT PRIMARY KEY, note VARCHAR(60)); INSERT INTO orders SELECT seq, MD5(seq) FROM seq_1_to_2000;
    CREATE TABLE ticks (id INT AUTO_INCREMENT PRIMARY KEY); CREATE EVENT tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO shop.ticks () VALUES ();
    CREATE USER clerk@localhost IDENTIFIED BY 'secret'; GRANT SELECT ON shop.* TO clerk@localhost;
    CREATE DEFINER = clerk@localhost VIEW few AS SELECT id FROM orders WHERE id < 10;
    CREATE DATABASE \`${long}\`; CREATE TABLE \`${long}\`.line (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES shop.orders (id)); INSERT INTO \`${long}\`.line VALUES (1), (2);`)
  await dumps.backUp(agentFor(source), 'full')
  await source.client('INSERT INTO shop.orders VALUES (3000, "in the log")')
  await dumps.backUp(agentFor(source), 'log')
  await copies.backUp(physicalAgent(source), 'full')
})
afterAll(async () => {
  await source?.stop()
  for (const one of [place, dumps, copies]) await one?.[Symbol.asyncDispose]()
})

const left = async () => [...(await privateRemains(place.directory)), ...(await schemaRemains(source))]

async function opened(agent: Agent, backups: readonly Backup[], more: Partial<ScratchRequest> = {}): Promise<Scratch> {
  if (agent.openScratch === undefined) throw new TypeError('the agent opens scratch places')
  return await agent.openScratch({ backups, place: 'private', directory: place.directory, ...more })
}

async function restoredIn(
  scratch: Scratch,
  shelf: BackupShelf,
  backups: readonly Backup[],
  items?: readonly string[],
): Promise<RestoreReport> {
  const plan = await scratch.agent.planRestore({ backups, target: scratch.target, ...(items === undefined ? {} : { items }) })
  expect(plan.problems.filter(({ severity }) => severity === 'error')).toEqual([])
  return await scratch.agent.restore(plan, filesBelow(shelf.directory, backups))
}

describe('a private server', () => {
  it('takes a dump with its logs, accounts and definers, runs as nobody special, and is gone afterwards', async () => {
    {
      await using scratch = await opened(agentFor(source), dumps.backups)
      expect(scratch).toMatchObject({ restoresLogs: true, problems: [], name: scratch.directory })
      const [pid = 0] = await serversIn(place.directory)
      const facts = await stat(`/proc/${pid}`)
      if (process.getuid?.() === 0) expect(facts.uid).not.toBe(0)
      expect((await stat(scratch.directory ?? '')).mode & 0o777).toBe(0o700)
      const report = await restoredIn(scratch, dumps, dumps.backups)
      expect(report.items.map(({ item, failure }) => [item, failure])).toEqual(
        expect.arrayContaining([
          ['shop', undefined],
          ['mysql', undefined],
          ['binlog', undefined],
        ]),
      )
      const said = await scratch.check(report)
      expect(said).toContainEqual({ item: 'shop', name: 'CHECK TABLE shop.orders EXTENDED', expected: 'OK', found: 'OK', passed: true })
      expect(said.every(({ passed }) => passed)).toBe(true)
    }
    expect(await left()).toEqual([])
  })

  it('refuses a program that is not there or of another kind, and leaves nothing', async () => {
    for (const serverProgram of ['/nowhere/mariadbd', '/bin/true']) {
      const opening = opened(agentFor(source), dumps.backups, { options: { serverProgram } })
      await expect(opening).rejects.toMatchObject({ code: 'NOT_FOUND', hint: expect.stringContaining('serverProgram') })
    }
    expect(await left()).toEqual([])
  })

  it('says that it is of another version than the backup', async () => {
    const [full] = dumps.backups
    const older = [{ ...full, source: { ...full?.source, version: '10.4.1-MariaDB' } }] as unknown as readonly Backup[]
    await using scratch = await opened(agentFor(source), older)
    expect(scratch.problems).toEqual([expect.objectContaining({ severity: 'warning', message: expect.stringContaining('10.4.1-MariaDB') })])
  })
})

describe('a private place for a copy of files', () => {
  it('is sound when a server starts on it and finds nothing, and is gone afterwards', async () => {
    {
      await using scratch = await opened(physicalAgent(source), copies.backups)
      const report = await restoredIn(scratch, copies, copies.backups)
      const said = await scratch.check(report)
      expect(said[0]).toMatchObject({ name: 'start of a server', passed: true })
      expect(said.filter(({ passed }) => !passed)).toEqual([])
      expect(said.map(({ name }) => name)).toEqual(expect.arrayContaining(['CHECK TABLE shop.orders EXTENDED', 'schema mysql']))
      expect(await serversIn(place.directory)).toEqual([])
    }
    expect(await left()).toEqual([])
  })

  it('is not sound when a page of it is damaged', async () => {
    await using scratch = await opened(physicalAgent(source), copies.backups)
    const report = await restoredIn(scratch, copies, copies.backups)
    await using file = await open(join(scratch.directory ?? '', 'data', 'shop', 'orders.ibd'), 'r+')
    // The root page of the primary key: every page is 16 KiB, and the first three hold no rows.
    await file.write(Buffer.alloc(200, 0xff), 0, 200, 3 * 16_384 + 100)
    const said = await scratch.check(report).catch((error: unknown) => {
      expect(BackupError.is(error)).toBe(true)
      return []
    })
    expect(said.length === 0 || said.some(({ passed }) => !passed)).toBe(true)
  })

  it('is refused on the server of somebody else', async () => {
    await expect(opened(physicalAgent(source), copies.backups, { place: 'server' })).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })
})

describe('schemas on a server', () => {
  const full = () => dumps.backups.slice(0, 1)

  it('have names of their own, leave events disabled and accounts alone, and are gone afterwards', async () => {
    const accounts = await source.client('SELECT user, host FROM mysql.global_priv ORDER BY 1, 2')
    {
      await using scratch = await opened(agentFor(source), full(), { place: 'server' })
      expect(scratch.restoresLogs).toBe(false)
      expect(scratch.problems).toEqual([expect.objectContaining({ message: expect.stringContaining('accounts') })])
      const report = await restoredIn(scratch, dumps, full())
      expect(report.items.map(({ to }) => to).sort()).toEqual([
        expect.stringMatching(/^bp_drill_[a-z2-7]{10}_a schema x+_[0-9a-f]{12}$/),
        expect.stringMatching(/^bp_drill_[a-z2-7]{10}_shop$/),
      ])
      expect(report.items.every(({ failure, to }) => failure === undefined && [...to].length <= 64)).toBe(true)
      expect((await scratch.check(report)).every(({ passed }) => passed)).toBe(true)
      expect(await source.client("SELECT status FROM information_schema.events WHERE event_schema LIKE 'bp\\_drill%'")).toBe('DISABLED\n')
    }
    expect(await left()).toEqual([])
    expect(await source.client('SELECT user, host FROM mysql.global_priv ORDER BY 1, 2')).toBe(accounts)
    expect(await source.client('SELECT COUNT(*) FROM shop.orders')).toBe('2001\n')
  })

  it('are removed with the journal of a restore that was cut, and so are those of a drill that was killed', async () => {
    const scratch = await opened(agentFor(source), full(), { place: 'server' })
    const plan = await scratch.agent.planRestore({ backups: full(), target: scratch.target })
    const controller = new AbortController()
    const onProgress = ({ type }: { readonly type: string }) => (type === 'bytes' ? controller.abort() : undefined)
    const cut = scratch.agent.restore(plan, filesBelow(dumps.directory, full()), { signal: controller.signal, onProgress })
    await expect(cut).rejects.toMatchObject({ code: 'ABORTED' })
    expect(await schemaRemains(source)).toContain('backup_planet_restore')
    await scratch[Symbol.asyncDispose]()
    expect(await left()).toEqual([])

    await source.client(
      'CREATE DATABASE bp_drill_aaaaaaaaaa_shop; CREATE DATABASE bp_drill_aaaaaaaaab_shop; CREATE DATABASE bp_kept_aaaaaaaaaa_shop; CREATE DATABASE bp_drill_mine',
    )
    await using alive = await connect(resolvedSettings(source))
    await alive.rows("SELECT GET_LOCK('bp_drill_aaaaaaaaab', 0)")
    await (await opened(agentFor(source), full(), { place: 'server' }))[Symbol.asyncDispose]()
    const others = ['bp_drill_aaaaaaaaab_shop', 'bp_drill_mine', 'bp_kept_aaaaaaaaaa_shop']
    expect(await left()).toEqual(others)
    await source.client(others.map((name) => `DROP DATABASE ${name}`).join(';'))
  })

  it('stay when they are kept', async () => {
    const scratch = await opened(agentFor(source), full(), { place: 'server', keep: true, items: ['shop'] })
    await restoredIn(scratch, dumps, full(), ['shop'])
    await scratch[Symbol.asyncDispose]()
    const [kept = '', ...more] = await schemaRemains(source)
    expect(more).toEqual([])
    expect(scratch.name).toContain(kept.slice(0, 19))
    await source.client(`DROP DATABASE \`${kept}\``)
  })
})

it('a private place that is kept is a data directory that was shut down', async () => {
  const scratch = await opened(agentFor(source), dumps.backups, { keep: true, items: ['shop'] })
  await restoredIn(scratch, dumps, dumps.backups.slice(0, 1), ['shop'])
  await scratch[Symbol.asyncDispose]()
  expect(await serversIn(place.directory)).toEqual([])
  expect(await readdir(join(scratch.directory ?? '', 'data', 'shop'))).toContain('orders.ibd')
})
