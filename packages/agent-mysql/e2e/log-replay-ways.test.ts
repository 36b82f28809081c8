import type { RestorePlan } from '@backup-planet/core'
import { startThrowawayMariadb, type ThrowawayMariadb } from '@backup-planet/tooling/throwaway-mariadb'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { binlogItem } from '../src/dump-layout.ts'
import { runMysqlRestore } from '../src/restore/index.ts'
import { BackupChain, emptyServer, planReplay } from './replay-fixture.ts'
import { resolved } from './restore-round-trip.ts'

let source: ThrowawayMariadb
let target: ThrowawayMariadb
let chain: BackupChain

beforeAll(async () => {
  ;[source, target] = await Promise.all([startThrowawayMariadb(), startThrowawayMariadb()])
  await source.client('CREATE DATABASE a; CREATE TABLE a.t (id INT) ENGINE=InnoDB')
  chain = new BackupChain(source)
  await chain.full({ users: false })
  // Applied twice it would show. The tools cannot hand on the text of the procedure.
  await source.client("INSERT INTO a.t VALUES (1); CREATE PROCEDURE a.p() SELECT '/*!*/'; INSERT INTO a.t VALUES (2)")
  await chain.log()
  await source.client('INSERT INTO a.t VALUES (3)')
  await chain.log()
})
afterEach(async () => {
  await target.client('DROP DATABASE IF EXISTS backup_planet_restore')
  await emptyServer(target)
})
afterAll(async () => {
  await chain?.[Symbol.asyncDispose]()
  await Promise.all([source?.stop(), target?.stop()])
})

const rows = () =>
  target.client("SELECT id FROM a.t ORDER BY id; SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'a'")
const planBy = (replay: string) => planReplay(chain, target, { options: { replay, users: 'none' } })
const execute = async (plan: RestorePlan) => {
  const { items, problems } = await runMysqlRestore(resolved(target), plan, chain.files())
  return { failure: items.find(({ item }) => item === binlogItem)?.failure, problems }
}

it('goes on by statements where the tools have ended, when a plan asks for them', async () => {
  const { failure } = await execute(await planBy('tools'))
  expect(failure).toMatchObject({ code: 'UNSUPPORTED', hint: expect.stringContaining('replay set to statements') })
  expect(await rows()).toBe('1\n')
  const plan = await planBy('statements')
  expect(plan.problems.filter(({ severity }) => severity === 'error')).toEqual([])
  expect(plan.steps.find(({ text }) => text.startsWith('replay '))?.text).toContain('by BINLOG statements')
  expect((await execute(plan)).failure).toBeUndefined()
  expect(await rows()).toBe('1\n2\n3\np\n')
})

it('goes on with the other way by itself where neither is asked for, and says so', async () => {
  const { failure, problems } = await execute(await planBy('auto'))
  expect(failure).toBeUndefined()
  expect(problems.map(({ message }) => message)).toEqual([
    expect.stringMatching(/CREATE .*PROCEDURE.*; from there on the logs are replayed by statements$/),
  ])
  expect(await rows()).toBe('1\n2\n3\np\n')
})

it('still takes nothing else for the same restore', async () => {
  await execute(await planBy('tools'))
  const plan = await planReplay(chain, target, { options: { replay: 'statements', users: 'none', skipGtids: ['0-1-1'] } })
  expect(plan.problems[0]).toMatchObject({ severity: 'error', code: 'CONFLICT' })
})

it('says that only a new beginning helps where temporary tables lived in the session', async () => {
  await using other = new BackupChain(source)
  await other.full({ users: false })
  await source.client(
    "SET binlog_format = STATEMENT; CREATE TEMPORARY TABLE a.x (id INT); INSERT INTO a.x VALUES (9); CREATE PROCEDURE a.q() SELECT '/*!*/'; INSERT INTO a.t SELECT id FROM a.x",
  )
  await other.log()
  const plan = await planReplay(other, target, { options: { replay: 'auto', users: 'none' } })
  const { items } = await runMysqlRestore(resolved(target), plan, other.files())
  expect(items.find(({ item }) => item === binlogItem)?.failure).toMatchObject({
    code: 'UNSUPPORTED',
    hint: expect.stringMatching(/temporary tables.*Begin anew.*DROP DATABASE/),
  })
})
