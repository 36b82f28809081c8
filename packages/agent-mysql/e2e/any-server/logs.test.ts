import { randomInt } from 'node:crypto'
import { type Capture, historyOf, planChain } from '@backup-planet/core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { BinlogFileFacts } from '../../src/dump-layout.ts'
import { comparePositions } from '../../src/mysql-position.ts'
import { planMysqlRestore, runMysqlRestore } from '../../src/restore/index.ts'
import { until } from '../capture-fixture.ts'
import { LogChain } from '../log-fixture.ts'
import { BackupChain, ChainFiles, replayTo } from '../replay-fixture.ts'
import { resolved } from '../restore-round-trip.ts'
import { type AnyServer, anyServer, emptyAnyServer, schemaState, writtenGtids } from './any-server.ts'

let server: AnyServer
beforeAll(async () => {
  server = await anyServer()
})
afterAll(() => server?.[Symbol.asyncDispose]())
beforeEach(async () => {
  await emptyAnyServer(server)
  await server.run(
    'CREATE DATABASE shop',
    'USE shop',
    'CREATE TABLE line (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, note VARBINARY(200)) ENGINE=InnoDB',
  )
})

const insert = (note: string) => server.run(`INSERT INTO shop.line (note) VALUES ('${note}')`)
const state = () => schemaState(server, 'shop')

describe('logs of this server', () => {
  it('continue one another, and count what was written', async () => {
    await using chain = new LogChain(server)
    await chain.backUp('full')
    for (const rows of [1, 3]) {
      for (let row = 0; row < rows; row++) await insert(`row ${row}`)
      const { backup } = await chain.backUp('log')
      const files = backup.items[0]?.facts.binlogs as unknown as readonly BinlogFileFacts[]
      expect(files.reduce((sum, { transactions }) => sum + transactions, 0)).toBe(rows)
      expect(backup.position?.value.gtid).toBe(await writtenGtids(server))
    }
    expect(chain.backups.map(({ kind }) => kind)).toEqual(['full', 'log', 'log'])
  })

  it('are followed while they are written', async () => {
    await using chain = new LogChain(server)
    await chain.backUp('full')
    const stop = new AbortController()
    const request = { job: 'test', chain: chain.backups, everySeconds: 0.1, everyBytes: 1_000_000 }
    const captures = chain.agent.follow?.(request, stop) as AsyncIterable<Capture>
    const following = (async () => {
      for await (const capture of captures) await chain.store(capture)
    })()
    for (const note of ['a', 'b', 'c']) await insert(note)
    await until('all that was written has come', async () =>
      chain.backups.at(-1)?.position?.value.gtid === (await writtenGtids(server)) ? true : undefined,
    )
    stop.abort()
    await following
    expect(chain.backups.length).toBeGreaterThan(1)
  })

  it.each(['tools', 'statements'])('bring back the moment before an accident, replayed by %s', async (replay) => {
    await using chain = new BackupChain(server)
    await chain.full({ users: false })
    await insert('Österreich\\0')
    await server.run(
      'ALTER TABLE shop.line ADD COLUMN more VARCHAR(20) DEFAULT "ü"',
      'BEGIN',
      'UPDATE shop.line SET more = "x"',
      'DELETE FROM shop.line WHERE id > 5',
      'COMMIT',
    )
    const [good, gtid] = [await state(), await writtenGtids(server)]
    await server.run('DROP TABLE shop.line')
    await chain.log()
    await replayTo(chain, server, { options: { replay, users: 'none' }, stop: { position: { chain: '', value: { gtid } } } })
    expect(await state()).toEqual(good)
  })
})

/** As an operator does: by the backups that the planner names. */
async function restoreTo(chain: BackupChain, gtid: string): Promise<void> {
  const position = { chain: chain.backups[0]?.position?.chain ?? '', value: { gtid } }
  const planned = planChain(historyOf(chain.backups, comparePositions), { position })
  if (!planned.possible) throw new Error(planned.reason.message)
  const folders = planned.backups.map(({ id }) => chain.folders.find(({ backup }) => backup.id === id) ?? expect.unreachable(id))
  const backups = folders.map(({ backup }) => backup)
  const target = { overwrite: true, options: { users: 'none' } }
  const plan = await planMysqlRestore(resolved(server), { backups, ...(planned.stop === undefined ? {} : { stop: planned.stop }), target })
  expect(plan.problems.filter(({ severity }) => severity === 'error')).toEqual([])
  const report = await runMysqlRestore(resolved(server), plan, new ChainFiles(folders))
  expect(report.items.flatMap((item) => item.failure ?? [])).toEqual([])
}

const seed = Number(process.env.BACKUP_PLANET_SEED ?? randomInt(2 ** 31))

/** Numbers that the seed decides (mulberry32). */
function* numbers(begin: number): Generator<number, never, void> {
  for (let state = begin >>> 0; ; ) {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    yield ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

it(`a history of writes, fulls, logs and rotations comes back as it was after any of its transactions (seed ${seed})`, async () => {
  const random = numbers(seed)
  const below = (limit: number) => Math.floor(random.next().value * limit)
  await using chain = new BackupChain(server)
  await chain.full({ users: false })
  const journal: { readonly gtid: string; readonly state: readonly string[] }[] = []
  for (let step = 0; step < 25; step++) {
    const choice = below(10)
    if (choice < 7) {
      const writes = [
        `INSERT INTO shop.line (note) VALUES ('${step}')`,
        `UPDATE shop.line SET note = '${step}' WHERE id % 3 = ${below(3)}`,
        `DELETE FROM shop.line WHERE id % 5 = ${below(5)}`,
      ]
      await server.run('BEGIN', ...writes.slice(below(3)), `INSERT INTO shop.line (note) VALUES ('end of ${step}')`, 'COMMIT')
      journal.push({ gtid: await writtenGtids(server), state: await state() })
    } else if (choice < 9) await chain.log()
    else await server.run('FLUSH BINARY LOGS')
  }
  await chain.log()
  for (let moment = 0; moment < 3; moment++) {
    const { gtid, state: expected } = journal[below(journal.length)] as (typeof journal)[number]
    await restoreTo(chain, gtid)
    expect(await state(), gtid).toEqual(expected)
  }
})
